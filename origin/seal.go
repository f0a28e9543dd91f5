package origin

import (
	"time"

	"starling/internal/media"
	"starling/internal/store"
	"starling/origin/packager"
)

// seal describes, signs and publishes a part.
func (s *stream) seal(e *epoch, p packager.Part) {
	began := time.Now()
	t := e.tracks[p.Track]
	if t == nil {
		return // a rung that has never been announced
	}
	if len(p.Payload) > media.MaxPartSize {
		s.log.Error("part is too large and becomes a gap: lower the publisher's bitrate", "track", t.name, "part", p.ID, "bytes", len(p.Payload))
		p.Payload, p.Flags = nil, p.Flags&^media.FlagIndependent|media.FlagGap
	}
	h := &media.Header{
		Flags: p.Flags, Stream: s.id, Track: t.number, ID: p.ID, Discontinuity: e.disc, Init: t.init,
		PDT: s.anchor.Add(p.At).UTC(), Duration: p.Duration, Size: len(p.Payload), ChunkSize: media.ChunkSize(len(p.Payload), t.slices),
	}
	h.Hashes = media.HashChunks(p.Payload, h.ChunkSize)
	w, ok := s.store.Track(t.name)
	if !ok {
		s.log.Error("track is not in the directory", "track", t.name)
		return
	}
	if err := w.Add(store.CompletePart(h, h.Sign(s.key), p.Payload)); err != nil {
		s.log.Error("part is not published", "track", t.name, "err", err)
		return
	}
	m := s.srv.metrics
	m.parts.WithLabelValues(string(s.id), t.name).Inc()
	m.partBytes.WithLabelValues(string(s.id), t.name).Add(float64(h.Size))
	if h.Flags.Has(media.FlagGap) {
		m.gaps.WithLabelValues(string(s.id), t.name).Inc()
	}
	m.packaging.Observe(time.Since(began).Seconds())
}
