package signal

import "testing"

func FuzzExpand(f *testing.F) {
	for _, name := range sdpNames {
		s, err := Squeeze(readSDP(f, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s)
	}
	f.Add("AQ")
	withInit, err := described(initChunk).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(withInit)
	f.Fuzz(func(t *testing.T, s string) {
		sdp, err := Expand(s)
		if err != nil {
			return
		}
		again, err := Squeeze(sdp)
		if err != nil {
			t.Fatalf("expanded form of %q cannot be squeezed: %v", s, err)
		}
		if sdp2, err := Expand(again); err != nil || sdp2 != sdp {
			t.Fatalf("%q is not stable: %v", s, err)
		}
	})
}

func FuzzSqueeze(f *testing.F) {
	for _, name := range sdpNames {
		f.Add(readSDP(f, name))
	}
	f.Add(described(initChunk).SDP())
	f.Fuzz(func(t *testing.T, sdp string) {
		s, err := Squeeze(sdp)
		if err != nil {
			return
		}
		if len(s) > MaxText {
			t.Fatalf("%d characters", len(s))
		}
		if _, err := Expand(s); err != nil {
			t.Fatalf("squeezed form %q cannot be expanded: %v", s, err)
		}
	})
}

func FuzzCandidate(f *testing.F) {
	for _, c := range candidateTexts {
		f.Add(c[1], "")
		s, err := SqueezeCandidate(c[1])
		if err != nil {
			f.Fatal(err)
		}
		f.Add("", s)
	}
	for _, c := range append(droppedTexts, badCandidateTexts...) {
		f.Add(c, "")
	}
	f.Fuzz(func(t *testing.T, text, squeezed string) {
		if s, err := SqueezeCandidate(text); err == nil {
			if _, err := ExpandCandidate(s); err != nil {
				t.Fatalf("%q squeezes to %q, which cannot be expanded: %v", text, s, err)
			}
		}
		if c, err := ExpandCandidate(squeezed); err == nil {
			s, err := SqueezeCandidate(c)
			if err != nil {
				t.Fatalf("%q expands to %q, which cannot be squeezed: %v", squeezed, c, err)
			}
			if c2, err := ExpandCandidate(s); err != nil || c2 != c {
				t.Fatalf("%q is not stable: %v", squeezed, err)
			}
		}
	})
}
