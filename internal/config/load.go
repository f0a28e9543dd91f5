package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

const envPrefix = "STARLING_"

// foreignEnv are variables of that prefix which are not keys.
var foreignEnv = []string{"STARLING_CONFIG", "STARLING_SET", "STARLING_BIN"}

// Source says where a configuration comes from, weakest first.
type Source struct {
	Base *Config  // what is changed; nil: Default()
	File string   // YAML; empty: none
	Env  []string // "NAME=value", as os.Environ gives; only STARLING_* counts
	Set  []string // "KEY=VALUE" of the command line
}

// Load reads the sources over the base and validates the result. Warnings
// tell of variables that look meant for this program and are not.
func Load(src Source) (c *Config, warnings []string, err error) {
	c = src.Base
	if c == nil {
		c = Default()
	}
	if src.File != "" {
		doc, err := os.ReadFile(src.File)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if err := parse(c, src.File, doc); err != nil {
			return nil, nil, err
		}
	}
	warnings, err = applyEnv(c, src.Env)
	if err != nil {
		return nil, nil, err
	}
	if err := applySettings(c, src.Set); err != nil {
		return nil, nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	return c, warnings, nil
}

func applyEnv(c *Config, env []string) (warnings []string, err error) {
	byName := map[string]field{}
	for _, f := range fields(c) {
		byName[f.Env()] = f
	}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(foreignEnv, name) {
			continue
		}
		f, ok := byName[name]
		if !ok {
			known := make([]string, 0, len(byName))
			for n := range byName {
				known = append(known, n)
			}
			slices.Sort(known)
			warnings = append(warnings, fmt.Sprintf("environment variable %s is not a setting%s", name, didYouMean(name, known)))
			continue
		}
		if err := setText(f, value); err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", name, err)
		}
	}
	return warnings, nil
}

func applySettings(c *Config, settings []string) error {
	for _, s := range settings {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("--set %s: want KEY=VALUE, for example edge.listen=:9000", s)
		}
		f, ok := lookup(c, key)
		if !ok {
			return fmt.Errorf("--set %s: unknown key %s%s", s, key, didYouMean(key, Keys()))
		}
		if err := setText(f, value); err != nil {
			return fmt.Errorf("--set %s: %w", s, err)
		}
	}
	return nil
}

// setText sets a leaf from one word. Text is taken as it is, so that :8080
// needs no quotes; a list of text is separated by commas; the rest is YAML.
func setText(f field, text string) error {
	switch {
	case f.value.Kind() == reflect.String:
		f.value.SetString(text)
		return nil
	case f.value.Type() == reflect.TypeFor[[]string]() && !strings.HasPrefix(text, "["):
		list := []string{}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		f.value.Set(reflect.ValueOf(list))
		return nil
	}
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		return fmt.Errorf("want %s: %w", describe(f.value.Type()), syntaxError(err))
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return fmt.Errorf("is empty, want %s", describe(f.value.Type()))
	}
	return set(f.value, file.Docs[0].Body)
}

// YAML is the configuration as a file that Load reads back to the same.
func (c *Config) YAML() ([]byte, error) {
	return yaml.MarshalWithOptions(c, yaml.Indent(2), yaml.IndentSequence(true))
}
