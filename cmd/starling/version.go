package main

import (
	"fmt"

	"starling/internal/telemetry"
)

type versionCmd struct{}

func (*versionCmd) Run(e *env) error {
	fmt.Fprintln(e.stdout, "starling", telemetry.BuildInfo())
	return nil
}
