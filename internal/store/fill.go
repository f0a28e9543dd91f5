package store

// Reserve gives the next n bytes of p to be filled in place, so that a relay
// can read from the network and verify without another copy. Readers do not
// see them before Commit. It gives nil when fewer than n bytes are missing.
// Only the part's owner calls it.
func (p *Part) Reserve(n int) []byte {
	at := int(p.filled.Load())
	if n < 0 || n > len(p.buf)-at {
		return nil
	}
	return p.buf[at : at+n : at+n]
}

// Commit publishes the first n reserved bytes, which must be verified.
func (p *Part) Commit(n int) {
	if at := int(p.filled.Load()); n >= 0 && n <= len(p.buf)-at {
		p.filled.Store(int64(at + n))
		p.signal(nil)
	}
}
