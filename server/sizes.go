package server

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The limits of a size.
const (
	leastMemory = 16 << 20 // below it no process starts
	mostMemory  = 64 << 40
	mostCPU     = 1024
	maxSizes    = 50
)

var (
	sizeName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,28}[A-Za-z0-9])?$`)
	sizeMemory = regexp.MustCompile(`^([0-9]{1,9})([KMGT])$`)
	sizeCPU    = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,3})?$`)
)

// ParseSize reads a preset as an operator writes it: NAME=MEMORY,CPU[,RESERVED],
// for example Large=4G,4,1. MEMORY is in K, M, G or T (of 1024), CPU and
// RESERVED in CPUs; without RESERVED a twentieth of the CPUs is reserved.
func ParseSize(text string) (Size, error) {
	name, rest, found := strings.Cut(text, "=")
	parts := strings.Split(rest, ",")
	if !found || len(parts) < 2 || len(parts) > 3 {
		return Size{}, fmt.Errorf("the size %q is not of the form NAME=MEMORY,CPU[,RESERVED], as in Large=4G,4,1", text)
	}
	if !sizeName.MatchString(name) {
		return Size{}, fmt.Errorf("the size's name %q may hold only letters, digits, - and _, at most 30", name)
	}
	z := Size{Name: name}
	m := sizeMemory.FindStringSubmatch(strings.ToUpper(parts[0]))
	if m == nil {
		return Size{}, fmt.Errorf("size %s: the memory %q must be a number with K, M, G or T behind", name, parts[0])
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return Size{}, fmt.Errorf("size %s: memory: %w", name, err)
	}
	z.Memory = n << map[string]int{"K": 10, "M": 20, "G": 30, "T": 40}[m[2]]
	if z.Memory>>10 < leastMemory>>10 || z.Memory > mostMemory || n > mostMemory>>10 {
		return Size{}, fmt.Errorf("size %s: the memory %s must be 16M to 64T", name, parts[0])
	}
	if z.MilliCPU, err = milli(parts[1]); err != nil {
		return Size{}, fmt.Errorf("size %s: CPU: %w", name, err)
	}
	z.Reserved = max(1, z.MilliCPU/20)
	if len(parts) == 3 {
		if z.Reserved, err = milli(parts[2]); err != nil {
			return Size{}, fmt.Errorf("size %s: reserved CPU: %w", name, err)
		}
	}
	if z.Reserved > z.MilliCPU {
		return Size{}, fmt.Errorf("size %s: it cannot reserve more CPU than it has", name)
	}
	return z, nil
}

// milli reads a number of CPUs as thousandths.
func milli(text string) (int64, error) {
	if !sizeCPU.MatchString(text) {
		return 0, fmt.Errorf("%q must be a number of CPUs, like 2 or 0.5", text)
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(fraction + "000")[:3], 10, 64)
	if err != nil || n < 1 || n > mostCPU*1000 {
		return 0, fmt.Errorf("%q must be 0.001 to %d", text, mostCPU)
	}
	return n, nil
}

// Sizes are the presets of an installation: the default ones, of which own
// ones replace those of the same name, and the other own ones.
func Sizes(own []string) ([]Size, error) {
	sizes := DefaultSizes()
	seen := map[string]bool{}
	for _, text := range own {
		z, err := ParseSize(text)
		if err != nil {
			return nil, err
		}
		if seen[strings.ToLower(z.Name)] {
			return nil, fmt.Errorf("the size %s is given twice", z.Name)
		}
		seen[strings.ToLower(z.Name)] = true
		replaced := false
		for i, have := range sizes {
			if strings.EqualFold(have.Name, z.Name) {
				z.Name = have.Name // under which formations know it
				sizes[i], replaced = z, true
			}
		}
		if !replaced {
			sizes = append(sizes, z)
		}
	}
	if len(sizes) > maxSizes {
		return nil, fmt.Errorf("there are %d sizes; there may be %d", len(sizes), maxSizes)
	}
	return sizes, nil
}

// findSize finds a preset by its name, in whatever case.
func findSize(sizes []Size, name string) (Size, bool) {
	for _, z := range sizes {
		if strings.EqualFold(z.Name, name) {
			return z, true
		}
	}
	return Size{}, false
}

func sizeNames(sizes []Size) string {
	var names []string
	for _, z := range sizes {
		names = append(names, z.Name)
	}
	return strings.Join(names, ", ")
}
