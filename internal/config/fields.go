package config

import (
	"reflect"
	"strings"
)

// field is one leaf of the configuration: a key that has a value of its own.
type field struct {
	path  string // "edge.tls_listen"
	value reflect.Value
}

// Env is the variable that overrides the field: STARLING_EDGE_TLS_LISTEN.
func (f field) Env() string { return envPrefix + envName(f.path) }

func envName(path string) string { return strings.ToUpper(strings.ReplaceAll(path, ".", "_")) }

// fields lists the leaves of c in the order of the struct.
func fields(c *Config) []field { return walk(nil, "", reflect.ValueOf(c).Elem()) }

func walk(out []field, prefix string, v reflect.Value) []field {
	for i := range v.NumField() {
		path := prefix + yamlName(v.Type().Field(i))
		if f := v.Field(i); f.Kind() == reflect.Struct {
			out = walk(out, path+".", f)
		} else {
			out = append(out, field{path, f})
		}
	}
	return out
}

func yamlName(f reflect.StructField) string { return f.Tag.Get("yaml") }

// Keys lists every key of the configuration, "edge.tls_listen".
func Keys() []string {
	all := fields(Default())
	keys := make([]string, len(all))
	for i, f := range all {
		keys[i] = f.path
	}
	return keys
}

// lookup finds a leaf by its key.
func lookup(c *Config, key string) (field, bool) {
	for _, f := range fields(c) {
		if f.path == key {
			return f, true
		}
	}
	return field{}, false
}

// section reports whether key names a group of keys, such as "edge".
func section(key string) bool {
	for _, k := range Keys() {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}
