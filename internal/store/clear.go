package store

// Clear empties the window of a track that nobody reads any more, so that an
// edge does not keep media which it no longer receives. Whether the track has
// ended stays. Only the track's writer calls it.
func (t *Track) Clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.growing != nil {
		t.growing.Abort()
		t.growing = nil
	}
	if old := t.snapshot.Load(); len(old.Segments) > 0 {
		t.swap(old, nil, old.Ended)
	}
}
