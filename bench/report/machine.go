package report

import (
	"os"
	"runtime"
	"strings"
)

// ThisMachine describes the machine that the program runs on. What cannot be
// found out is empty.
func ThisMachine() Machine {
	name, _ := os.Hostname() // a machine without a name is no failure
	return Machine{
		Name: name, OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		Cores: runtime.NumCPU(), CPU: cpuModel(),
	}
}

// cpuModel reads the name of the first processor where Linux shows it.
func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
