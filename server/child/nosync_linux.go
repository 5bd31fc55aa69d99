package child

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// auditArch is the kernel's word for the native system call table; without one
// for this architecture nothing is filtered.
func auditArch() (arch uint32, ok bool) {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64, true
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64, true
	}
	return 0, false
}

// suppressSync makes every "write it to the disk now" of the calling thread,
// and of all processes it starts, succeed without doing anything, as
// systemd-nspawn's --suppress-sync does. The thread cannot be freed of it.
func suppressSync() error {
	arch, ok := auditArch()
	if !ok {
		return fmt.Errorf("not known how on %s", runtime.GOARCH)
	}
	calls := []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_SYNC_FILE_RANGE, unix.SYS_MSYNC}
	filter := syncFilter(arch, calls)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
	runtime.KeepAlive(filter)
	if err != nil {
		return fmt.Errorf("install the system call filter: %w", err)
	}
	return nil
}

// syncFilter is the program: another architecture or another call is allowed,
// one of calls returns 0.
func syncFilter(arch uint32, calls []uint32) []unix.SockFilter {
	const (
		offsetCall = 0 // of struct seccomp_data
		offsetArch = 4
	)
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	result := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }

	out := []unix.SockFilter{load(offsetArch), equal(arch, 0, len(calls)+1), load(offsetCall)}
	for i, call := range calls {
		out = append(out, equal(call, len(calls)-i, 0))
	}
	// Errno 0 is success.
	return append(out, result(unix.SECCOMP_RET_ALLOW), result(unix.SECCOMP_RET_ERRNO))
}
