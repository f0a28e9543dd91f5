package audience

import (
	"fmt"

	"starling/internal/peer"
)

// Misbehaviours lists the names of the ways to misbehave.
func Misbehaviours() []string {
	var out []string
	for b := peer.Honest + 1; ; b++ {
		name := b.String()
		if _, err := peer.ParseBehaviour(name); err != nil {
			return out
		}
		out = append(out, name)
	}
}

// Misbehaviour finds one of them by its name.
func Misbehaviour(name string) (peer.Behaviour, error) {
	b, err := peer.ParseBehaviour(name)
	if err != nil || b == peer.Honest {
		return 0, fmt.Errorf("%q: want one of %q", name, Misbehaviours())
	}
	return b, nil
}
