package main

import (
	"fmt"
	"io"
	"log/slog"

	"starling/internal/config"
)

// settings are the flags of every command that reads the configuration.
type settings struct {
	Config   string   `short:"c" env:"STARLING_CONFIG" placeholder:"FILE" help:"YAML configuration; see starling.example.yaml."`
	Set      []string `short:"s" sep:"none" placeholder:"KEY=VALUE" help:"Set one key of the configuration, such as edge.listen=:9000. May be repeated; wins over file and environment."`
	Public   bool     `help:"Listen on every address of this machine instead of localhost only (bind: all). The admin listener stays local."`
	StateDir string   `placeholder:"DIR" help:"Where keys and certificates are kept (state_dir)."`
	LogLevel string   `enum:"debug,info,warn,error," default:"" placeholder:"LEVEL" help:"How much to log: debug, info, warn or error (log.level)."`
}

// load reads the configuration that the flags describe over base, and makes
// the log.
func (s *settings) load(e *env, base *config.Config) (*config.Config, *slog.Logger, error) {
	set := s.Set
	for _, flag := range []struct{ key, value string }{{"state_dir", s.StateDir}, {"log.level", s.LogLevel}} {
		if flag.value != "" {
			set = append(set, flag.key+"="+flag.value)
		}
	}
	if s.Public {
		set = append(set, "bind="+config.All)
	}
	c, warnings, err := config.Load(config.Source{Base: base, File: s.Config, Env: e.environ, Set: set})
	if err != nil {
		return nil, nil, usageError{err}
	}
	log := newLogger(e.stderr, c.Log)
	for _, w := range warnings {
		log.Warn(w)
	}
	return c, log, nil
}

func newLogger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // Validate has refused other names
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

type configCmd struct {
	Check checkCmd `cmd:"" help:"Check the configuration and say what is wrong with it."`
	Print printCmd `cmd:"" help:"Show the configuration that file, environment and flags make together."`
}

type checkCmd struct{ settings }

func (c *checkCmd) Run(e *env) error {
	if _, _, err := c.load(e, config.Default()); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "The configuration is fine.")
	return nil
}

type printCmd struct{ settings }

func (c *printCmd) Run(e *env) error {
	cfg, _, err := c.load(e, config.Default())
	if err != nil {
		return err
	}
	doc, err := cfg.YAML()
	if err != nil {
		return fmt.Errorf("writing the configuration as YAML: %w", err)
	}
	_, err = e.stdout.Write(doc)
	return err
}
