package builder

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What Heroku's app.json has beyond what is used here.
var (
	forPeople    = []string{"$schema", "name", "description", "keywords", "repository", "website", "logo", "success_url"}
	withoutUse   = []string{"addons", "buildpacks", "stack", "environments"}
	usedHere     = []string{"formation", "env", "scripts", "healthchecks", "cron"}
	notSupported = map[string]string{"image": "the Dockerfile says what the image is made of"}
)

var varName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,255}$`)

// ParseAppJSON reads the content of an app.json: the parts of a Manifest that
// are not the Procfile's, and warnings about what Heroku knows but has no use
// here. The error is for people: it names line, column and key.
func ParseAppJSON(b []byte) (m Manifest, warnings []string, err error) {
	a := &appJSON{text: jsonText{name: "app.json", b: b}}
	root, err := a.text.parse()
	if err != nil {
		return m, nil, err
	}
	if root.object == nil {
		return m, nil, a.text.errorf(root.at, "app.json must hold an object, not %s", root.kind())
	}
	for _, f := range root.object.fields {
		if err := a.section(f); err != nil {
			return Manifest{}, nil, err
		}
	}
	return a.m, a.warnings, nil
}

type appJSON struct {
	text     jsonText
	m        Manifest
	warnings []string
}

func (a *appJSON) warn(format string, args ...any) {
	a.warnings = append(a.warnings, "app.json: "+fmt.Sprintf(format, args...))
}

func (a *appJSON) section(f field) error {
	switch f.name {
	case "formation":
		return a.formation(f.value)
	case "env":
		return a.env(f.value)
	case "scripts":
		return a.scripts(f.value)
	case "healthchecks":
		return a.health(f.value)
	case "cron":
		return a.crons(f.value)
	}
	switch {
	case slices.Contains(forPeople, f.name):
		return nil
	case slices.Contains(withoutUse, f.name):
		a.warn("%s has no meaning here and is passed over", f.name)
		return nil
	case notSupported[f.name] != "":
		return a.text.errorf(f.at, "%s is not supported: %s", f.name, notSupported[f.name])
	}
	return a.text.errorf(f.at, "the key %s is not known; there are %s", excerpt(f.name),
		strings.Join(slices.Concat(usedHere, withoutUse, forPeople[1:]), ", "))
}

func (a *appJSON) formation(v node) error {
	types, err := a.byType("formation", v)
	if err != nil {
		return err
	}
	a.m.Formation = map[string]FormationSpec{}
	for _, t := range types {
		if t.name == ReleaseType {
			return a.text.errorf(t.at, "formation.release: the release command runs once for each release and cannot be scaled")
		}
		var spec FormationSpec
		err := a.each("formation."+t.name, t.value, map[string]func(path string, v node) error{
			"quantity": func(path string, v node) error {
				n, err := a.integer(path, v, 0, 1<<30)
				spec.Quantity = &n
				return err
			},
			"size": func(path string, v node) (err error) { spec.Size, err = a.text1(path, v); return err },
		})
		if err != nil {
			return err
		}
		a.m.Formation[t.name] = spec
	}
	return nil
}

func (a *appJSON) env(v node) error {
	if v.object == nil {
		return a.wrong("env", v, "an object")
	}
	a.m.Env = map[string]EnvSpec{}
	for _, f := range v.object.fields {
		spec, err := a.envVar("env."+f.name, f)
		if err != nil {
			return err
		}
		a.m.Env[f.name] = spec
	}
	return nil
}

// envVar reads one config var: a value, or an object. As with Heroku, one
// that has neither value nor generator is required unless it says otherwise.
func (a *appJSON) envVar(path string, f field) (spec EnvSpec, err error) {
	if !varName.MatchString(f.name) {
		return spec, a.text.errorf(f.at, "env: the config var name %s may hold only letters, digits and underscores, and must not start with a digit", excerpt(f.name))
	}
	if f.value.str != nil {
		spec.Value = f.value.str
		return spec, a.plain(path, f.value)
	}
	said := false
	err = a.each(path, f.value, map[string]func(string, node) error{
		"description": func(path string, v node) (err error) { spec.Description, err = a.text0(path, v); return err },
		"value": func(path string, v node) error {
			if v.str == nil {
				return a.wrong(path, v, "a string")
			}
			spec.Value = v.str
			return a.plain(path, v)
		},
		"required": func(path string, v node) error {
			if v.flag == nil {
				return a.wrong(path, v, "true or false")
			}
			spec.Required, said = *v.flag, true
			return nil
		},
		"generator": func(path string, v node) (err error) {
			if spec.Generator, err = a.text1(path, v); err == nil && spec.Generator != "secret" {
				err = a.text.errorf(v.at, `%s: the only generator is "secret", not %s`, path, excerpt(spec.Generator))
			}
			return err
		},
	})
	if err == nil && spec.Value != nil && spec.Generator != "" {
		err = a.text.errorf(f.at, "%s has a value and a generator: keep one", path)
	}
	if !said {
		spec.Required = spec.Value == nil && spec.Generator == ""
	}
	return spec, err
}

func (a *appJSON) scripts(v node) error {
	return a.each("scripts", v, map[string]func(string, node) error{
		"postdeploy": func(path string, v node) (err error) {
			if v.object == nil {
				a.m.Postdeploy, err = a.command(path, v)
				return err
			}
			return a.each(path, v, map[string]func(string, node) error{
				"command": func(path string, v node) (err error) { a.m.Postdeploy, err = a.command(path, v); return err },
				"size": func(path string, v node) error {
					a.warn("%s has no meaning here and is passed over", path)
					return nil
				},
			})
		},
		"pr-predestroy": func(path string, _ node) error {
			a.warn("%s has no meaning here and is passed over", path)
			return nil
		},
	})
}

// byType is an object whose keys are process types.
func (a *appJSON) byType(path string, v node) ([]field, error) {
	if v.object == nil {
		return nil, a.wrong(path, v, "an object")
	}
	for _, f := range v.object.fields {
		if !processType.MatchString(f.name) {
			return nil, a.text.errorf(f.at, "%s: %s is not the name of a process type", path, excerpt(f.name))
		}
	}
	return v.object.fields, nil
}

// each gives every value of an object to the function of its key and refuses
// keys that have none.
func (a *appJSON) each(path string, v node, known map[string]func(path string, v node) error) error {
	if v.object == nil {
		return a.wrong(path, v, "an object")
	}
	for _, f := range v.object.fields {
		take, ok := known[f.name]
		if !ok {
			return a.text.errorf(f.at, "the key %s of %s is not known; there are %s", excerpt(f.name), path, names(known))
		}
		if err := take(path+"."+f.name, f.value); err != nil {
			return err
		}
	}
	return nil
}

func names[T any](m map[string]T) string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (a *appJSON) wrong(path string, v node, want string) error {
	return a.text.errorf(v.at, "%s must be %s, not %s", path, want, v.kind())
}

// text0 is a string, text1 one that is not empty.
func (a *appJSON) text0(path string, v node) (string, error) {
	if v.str == nil {
		return "", a.wrong(path, v, "a string")
	}
	return *v.str, nil
}

func (a *appJSON) text1(path string, v node) (string, error) {
	s, err := a.text0(path, v)
	if err == nil && strings.TrimSpace(s) == "" {
		err = a.text.errorf(v.at, "%s is empty", path)
	}
	return s, err
}

func (a *appJSON) command(path string, v node) (string, error) {
	s, err := a.text1(path, v)
	if err != nil {
		return "", err
	}
	if err := checkCommand(s); err != nil {
		return "", a.text.errorf(v.at, "%s: %s", path, err)
	}
	return strings.TrimSpace(s), nil
}

// plain refuses what an environment cannot carry.
func (a *appJSON) plain(path string, v node) error {
	if strings.ContainsRune(*v.str, 0) {
		return a.text.errorf(v.at, "%s holds a NUL character, which no environment can carry", path)
	}
	return nil
}

func (a *appJSON) integer(path string, v node, least, most int) (int, error) {
	if v.num == nil {
		return 0, a.wrong(path, v, "a whole number")
	}
	n, err := strconv.Atoi(v.num.String())
	if err != nil || n < least || n > most {
		return 0, a.text.errorf(v.at, "%s must be a whole number from %d to %d, not %s", path, least, most, excerpt(v.num.String()))
	}
	return n, nil
}
