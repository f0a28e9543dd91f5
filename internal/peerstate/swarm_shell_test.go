package peerstate

import "starling/internal/media"

// do carries actions out as the shells do.
func (x *worldViewer) do(as []Action) {
	for _, a := range append([]Action(nil), as...) {
		if x.mute == nil || !x.mute(a) {
			x.act(a)
		}
	}
}

func (x *worldViewer) act(a Action) {
	w, now := x.w, x.w.now
	switch a.Kind {
	case ForwardHeader:
		if x.lie {
			for _, n := range x.v.neighbours {
				if n.up {
					x.announce(n.id, a.Key)
				}
			}
		}
		sent := x.headers[a.Peer]
		if sent == nil {
			sent = map[Key]bool{}
			x.headers[a.Peer] = sent
		}
		if !sent[a.Key] {
			sent[a.Key] = true
			x.tell(a.Peer, func(o *worldViewer) { o.header(a.Key, x.id) })
		}
	case Forward:
		for i := a.First; i < a.First+a.Count; i++ {
			x.queue(a.Peer).Push(QueuedChunk{Key: a.Key, Chunk: i, Size: worldChunk, At: now})
		}
		x.pump()
	case Subscribe:
		x.subscribe(a)
	case Unsubscribe:
		x.unsubscribe(a)
	case Request:
		x.tell(a.Peer, func(o *worldViewer) {
			if o.lie {
				return
			}
			if wait := o.bucket.Wait(o.queue(x.id).Bytes()+a.Count*worldChunk, w.now); wait > a.DeadlineMS {
				o.tell(x.id, func(x *worldViewer) { x.do(x.v.RangeRefused(o.id, a.Key, a.First, a.Count, w.now)) })
				return
			}
			o.do(o.v.Requested(x.id, a.Key, a.First, a.Count))
		})
	case Cancel:
		if a.Peer != Edge {
			x.tell(a.Peer, func(o *worldViewer) {
				o.queue(x.id).Cancel(a.Key, a.First, a.Count)
				if !o.old {
					o.v.Cancelled(x.id, a.Key, a.First, a.Count)
				}
			})
		}
	case Fetch:
		w.after(worldHTTP+w.through(int64(a.Count)*worldChunk/6), func() { x.fetched(a.Key, a.First, a.Count, a.Count) })
	case FetchAll:
		if w.edgeTime(a.Key.ID)+200 > now {
			w.after(worldHTTP, func() { x.do(x.v.EdgeDone(a.Key, 0, 0, false, w.now)) })
			return
		}
		w.after(worldHTTP+w.through(worldChunks*worldChunk/6), func() {
			x.header(a.Key, Edge)
			x.fetched(a.Key, 0, worldChunks, 0)
		})
	case Refuse:
		x.tell(a.Peer, func(o *worldViewer) {
			if a.Slices != 0 {
				o.do(o.v.SubscriptionRefused(x.id, 1, a.Slices, w.now))
				return
			}
			o.do(o.v.RangeRefused(x.id, a.Key, a.First, a.Count, w.now))
		})
	case WantHeader:
		x.tell(a.Peer, func(o *worldViewer) {
			if !o.old {
				o.do(o.v.HeaderWanted(x.id, a.Key))
			}
		})
	case Ping:
		x.tell(a.Peer, func(o *worldViewer) { o.tell(x.id, func(x *worldViewer) { x.v.RoundTrip(o.id, w.now-now) }) })
	case Announce:
		for _, n := range x.v.neighbours {
			if n.up && !x.v.Announced(n.id, a.Key, a.Count) {
				x.announce(n.id, a.Key)
			}
		}
	case Deliver:
		x.completeAt[a.Key.ID] = now
		x.complete++
		if now > x.deadline(a.Key.ID) {
			x.late++
		}
	case ReportLost:
		x.lost = append(x.lost, a.Peer)
	}
}

func (x *worldViewer) announce(to string, k Key) {
	x.tell(to, func(o *worldViewer) {
		if !o.v.Knows(k) {
			o.do(o.v.Exists(k, o.deadline(k.ID), o.w.now))
		}
		all := NewBitmap(worldChunks)
		for i := range worldChunks {
			all.Set(i)
		}
		o.do(o.v.Have(x.id, k, worldChunks, all.Bytes(), o.w.now))
		o.queue(x.id).Cancel(k, 0, worldChunks)
	})
}

func (x *worldViewer) fetched(k Key, first, count, asked int) {
	if x.gone {
		return
	}
	for i := first; i < first+count; i++ {
		x.take(k, i, Edge)
	}
	x.do(x.v.EdgeDone(k, first, asked, true, x.w.now))
}

func (x *worldViewer) subscribe(a Action) {
	if a.Peer != Edge {
		x.tell(a.Peer, func(o *worldViewer) {
			o.v.Headerless(x.id, 1, a.Flags != 0 && !o.old && !x.old)
			o.do(o.v.Subscribed(x.id, 1, a.Slices, a.Key.ID, o.w.now))
		})
		return
	}
	x.w.after(worldOneWay, func() {
		for s := range worldSlices {
			if !a.Slices.Has(s) {
				continue
			}
			x.feed[s] = a.Key.ID
			for n := range x.w.parts {
				if id := worldID(n); !before(id, a.Key.ID) {
					x.pushByEdge(id, s)
				}
			}
		}
	})
}

func (x *worldViewer) unsubscribe(a Action) {
	if a.Peer != Edge {
		x.tell(a.Peer, func(o *worldViewer) {
			o.v.Unsubscribed(x.id, 1, a.Slices)
			o.queue(x.id).Drop(func(_ Key, chunk int) bool { return a.Slices.Has(media.SliceOf(worldChunks, worldSlices, chunk)) })
		})
		return
	}
	x.w.after(worldOneWay, func() {
		for s := range worldSlices {
			if a.Slices.Has(s) {
				delete(x.feed, s)
			}
		}
	})
}
