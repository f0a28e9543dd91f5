package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// parse lays a YAML document over c. Errors name the file, line and key.
func parse(c *Config, name string, doc []byte) error {
	file, err := parser.ParseBytes(doc, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", name, syntaxError(err))
	}
	if len(file.Docs) > 1 {
		return fmt.Errorf("%s: has %d documents separated by ---, want one", name, len(file.Docs))
	}
	var errs []error
	for _, d := range file.Docs {
		if d.Body == nil || d.Body.Type() == ast.NullType || d.Body.Type() == ast.CommentType {
			continue
		}
		m, ok := d.Body.(ast.MapNode)
		if !ok {
			return fmt.Errorf("%s:%s: want keys and values such as \"bind: localhost\"", name, position(d.Body))
		}
		errs = append(errs, parseMap(c, name, "", m))
	}
	return errors.Join(errs...)
}

func parseMap(c *Config, file, prefix string, m ast.MapNode) error {
	var errs []error
	for it := m.MapRange(); it.Next(); {
		at := fmt.Sprintf("%s:%s", file, position(it.Key()))
		key := prefix + it.Key().String()
		if f, ok := lookup(c, key); ok {
			if err := set(f.value, it.Value()); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", at, key, err))
			}
			continue
		}
		if !section(key) {
			errs = append(errs, fmt.Errorf("%s: unknown key %s%s", at, key, didYouMean(key, append(Keys(), sections()...))))
			continue
		}
		switch v := it.Value().(type) {
		case ast.MapNode:
			errs = append(errs, parseMap(c, file, key+".", v))
		case *ast.NullNode: // a section whose keys are all commented out
		default:
			errs = append(errs, fmt.Errorf("%s: %s is a section: its keys go below it, indented", at, key))
		}
	}
	return errors.Join(errs...)
}

// set decodes a value into a leaf. A key without a value keeps the default.
func set(v reflect.Value, node ast.Node) error {
	if node.Type() == ast.NullType {
		return nil
	}
	if err := plain(node); err != nil {
		return err
	}
	// Decoding into a new value, so that a list replaces the default's.
	fresh := reflect.New(v.Type())
	if err := yaml.NodeToValue(node, fresh.Interface(), yaml.Strict()); err != nil {
		return fmt.Errorf("want %s: %w", describe(v.Type()), syntaxError(err))
	}
	v.Set(fresh.Elem())
	return nil
}

// plain refuses anchors, aliases and tags: nothing here needs them, and a file
// without them reads the same to every tool.
func plain(node ast.Node) error {
	var p plainness
	ast.Walk(&p, node)
	if p.odd == nil {
		return nil
	}
	return fmt.Errorf("line %s: anchors, aliases and tags (& * !) are not supported, write the value out", position(p.odd))
}

type plainness struct{ odd ast.Node }

func (p *plainness) Visit(n ast.Node) ast.Visitor {
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType, ast.UnknownNodeType:
		p.odd = n
		return nil
	}
	return p
}

// describe names the values that a type of key takes.
func describe(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 2s or 333ms"
	case t == reflect.TypeFor[[]Rung]():
		return "a list of rungs such as [{height: 480, bitrate: 900000}]"
	case t.Kind() == reflect.Slice:
		return "a list such as [a, b]"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "a whole number"
	}
	return "text"
}

// syntaxError keeps the library's message and drops its drawing of the source.
func syntaxError(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) {
		return err
	}
	if t := y.GetToken(); t != nil && t.Position != nil {
		return fmt.Errorf("line %d: %s", t.Position.Line, y.GetMessage())
	}
	return errors.New(y.GetMessage())
}

func position(n ast.Node) string {
	p := n.GetToken().Position
	return fmt.Sprintf("%d:%d", p.Line, p.Column)
}

func sections() []string {
	var out []string
	for _, k := range Keys() {
		if s, _, ok := strings.Cut(k, "."); ok && (len(out) == 0 || out[len(out)-1] != s) {
			out = append(out, s)
		}
	}
	return out
}
