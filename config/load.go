package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"

	"go.yaml.in/yaml/v3"
)

// MaxFileSize is the largest configuration file in bytes.
const MaxFileSize = 1 << 20

// ProviderTypes are the known types of storage, each with a check of its settings: the driver's own, handed a strict decoder. What a
// check returns becomes problems; an error joined from several becomes several. A nil map knows every type and checks none.
type ProviderTypes map[string]func(decode func(into any) error) error

// Roots tell where things are stored, as words with slashes between them. Two things have the same words exactly when they are stored in the same
// place, whatever their types; and the words of one begin with those of the other, up to a slash, exactly when it is stored inside the other. "" =
// that cannot be told.
type Roots struct {
	// Providers gives the root of a provider by its type. A type that is not named is not compared.
	Providers map[string]func(decode func(into any) error) string
	// Folder gives the place of a folder of this machine, for state_dir, which is not compared without it.
	Folder func(path string) string
}

// Load reads a configuration file. With roots, two providers with one root are a problem, and so are providers and the state directory of which one
// lies inside another; roots may be nil. The warnings are for the log; they do not keep the gateway from running. The error is [Problems] when the
// file could be read.
func Load(path string, types ProviderTypes, roots *Roots) (config *Config, warnings []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err := io.ReadAll(io.LimitReader(file, MaxFileSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	config, err = parse(data, types, roots)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	if config.holdsSecret() && runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 {
		warnings = append(warnings, fmt.Sprintf("%s holds secret keys and other users of this machine can read it (mode %04o); run: chmod 600 %s, or use secret_key_file",
			path, info.Mode().Perm(), path))
	}
	return config, warnings, nil
}

func (c *Config) holdsSecret() bool {
	for i := range c.Credentials {
		if !c.Credentials[i].SecretKey.IsZero() {
			return true
		}
	}
	return false
}

// Parse reads a configuration and validates it. The error is [Problems].
func Parse(data []byte, types ProviderTypes) (*Config, error) { return parse(data, types, nil) }

func parse(data []byte, types ProviderTypes, roots *Roots) (*Config, error) {
	if len(data) > MaxFileSize {
		return nil, Problems{{Message: fmt.Sprintf("the file is larger than %d bytes; is it a configuration?", MaxFileSize)}}
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, Problems{{Message: "the file is empty; config.example.yaml shows what belongs there"}}
	case err != nil:
		return nil, Problems{syntaxProblem(err)}
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, Problems{{Line: second.Line, Message: "a second YAML document follows; the configuration is one document"}}
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, Problems{{Line: root.Line, Message: "not a configuration: expected fields such as region, providers and vaults"}}
	}
	if err := outlandish(root).sorted(); err != nil {
		return nil, err
	}
	node, misfits := conform(root, reflect.TypeFor[Config](), "")
	config := Default()
	if err := node.Decode(config); err != nil {
		return nil, Problems{syntaxProblem(err)}
	}
	problems := slices.Concat(placeholders(root), misfits)
	lines := locate(root)
	for _, problem := range slices.Concat(config.problems(types), config.sharedRoots(roots)) {
		problem.Line = lines.line(problem.Path)
		if !misfits.explain(problem) {
			problems = append(problems, problem)
		}
	}
	if err := problems.sorted(); err != nil {
		return nil, err
	}
	config.fill()
	return config, nil
}

// fill gives list entries their defaults, which cannot be there before the list is.
func (c *Config) fill() {
	for i := range c.Vaults {
		c.Vaults[i].ETag = cmp.Or(c.Vaults[i].ETag, defaultETag)
		c.Vaults[i].SSEC = cmp.Or(c.Vaults[i].SSEC, defaultSSEC)
	}
}
