package lab

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"starling/internal/cmaf"
	"starling/internal/media"
	"starling/internal/store"
	"starling/origin/packager"
)

// StreamID is the broadcast that the lab's viewers watch.
const StreamID = media.StreamID("live/lab")

// Rung is one video track of the broadcast.
type Rung struct {
	Name          string
	Width, Height int
	Bitrate       int // average, bit/s
}

// Rungs gives a ladder of n rungs, 1 to 3, the best with that bitrate and each
// other one with half of the one above it.
func Rungs(n, bitrate int) []Rung {
	all := []Rung{{"v720", 1280, 720, bitrate}, {"v480", 854, 480, bitrate / 2}, {"v360", 640, 360, bitrate / 4}}
	return all[:n]
}

// The broadcast's frames.
const (
	frameRate    = 30
	segment      = 2 * time.Second
	framesOfPart = 10 // of 333 ms
	framesOfGOP  = int(segment/time.Second) * frameRate
	audioTrack   = "a128"
	audioBitrate = 128_000
	audioRate    = 48_000
	// keyPart is how much larger than the others a part is that starts with an
	// IDR, as ladders encode a moving picture with a bounded peak.
	keyPart = 3.0
	// waver is by how much a frame's size differs from the mean of its kind.
	waver = 0.3
	// lead is what has been broadcast when the first viewer comes.
	lead = 3 * segment
)

// sps and pps describe the pictures; nobody decodes them in the lab.
var (
	sps = []byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48}
	pps = []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
)

// broadcast is a publisher and its origin, less the sockets and the encoder:
// frames with the sizes of a real encode go through the origin's packager, and
// each part is signed and put into the store as the origin does it.
type broadcast struct {
	key    ed25519.PrivateKey
	dir    *store.Directory
	stream *store.Stream
	info   *media.StreamInfo
	rungs  []Rung
	pack   *packager.Packager
	rng    *mrand.Rand
	noise  []byte
	anchor time.Time // wall clock of the first frame
	frames int
	sounds int // audio frames given to the packager
	err    error
}

// newBroadcast announces the stream and publishes what was there before. The
// sizes of frames depend on the seed alone.
func newBroadcast(dir *store.Directory, rungs []Rung, seed uint64) (*broadcast, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	b := &broadcast{key: key, dir: dir, rungs: rungs, rng: mrand.New(mrand.NewPCG(seed, 1)), noise: make([]byte, 4<<20), anchor: time.Now().Add(-lead).Truncate(time.Millisecond)}
	rand.Read(b.noise)
	audio, err := cmaf.NewAudioConfig(mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: audioRate, ChannelConfig: 2})
	if err != nil {
		return nil, fmt.Errorf("the broadcast's audio: %w", err)
	}
	part := packager.PartTarget(framesOfPart*time.Second/frameRate, frameRate, audio.FrameDuration())
	b.info = &media.StreamInfo{ID: StreamID, Revision: 1, Key: public, SegmentMS: int(segment.Milliseconds()), TargetMS: int(2 * segment.Milliseconds()),
		PartMS: int(part.Milliseconds()), StartedAtMS: b.anchor.UnixMilli()}
	if err := b.describe(audio); err != nil {
		return nil, err
	}
	b.stream = dir.Put(b.info)
	b.pack = packager.New(packager.Config{Segment: segment, Target: 2 * segment, Part: part, FirstMSN: uint64(b.anchor.Unix()), FrameRate: frameRate,
		Rungs: len(rungs) - 1, Audio: audio, Emit: b.seal})
	for b.due(b.frames).Before(time.Now()) && b.err == nil {
		b.frame()
	}
	return b, b.err
}

// describe lists the tracks in the catalog: number 1 and up for video, audio
// after them.
func (b *broadcast) describe(audio *cmaf.AudioConfig) error {
	video, err := cmaf.NewVideoConfig(sps, pps, 4)
	if err != nil {
		return fmt.Errorf("the broadcast's video: %w", err)
	}
	for i, r := range b.rungs {
		init, err := cmaf.VideoInit(video, r.Bitrate, r.Bitrate*3/2)
		if err != nil {
			return err
		}
		b.info.Tracks = append(b.info.Tracks, media.TrackInfo{Number: uint8(1 + i), Name: r.Name, Kind: media.Video, Codec: video.Codec, Bitrate: r.Bitrate, PeakBitrate: r.Bitrate * 3 / 2,
			Slices: media.SliceCount(media.Video, r.Bitrate), Width: r.Width, Height: r.Height, FrameRate: frameRate, Inits: []media.Init{{ID: 1, Data: init}}})
	}
	init, err := cmaf.AudioInit(audio, audioBitrate, audioBitrate)
	if err != nil {
		return err
	}
	b.info.Tracks = append(b.info.Tracks, media.TrackInfo{Number: uint8(1 + len(b.rungs)), Name: audioTrack, Kind: media.Audio, Codec: audio.Codec, Bitrate: audioBitrate, PeakBitrate: audioBitrate,
		Slices: 1, SampleRate: audioRate, Channels: 2, Inits: []media.Init{{ID: 1, Data: init}}})
	return nil
}

// run publishes frames at their time until ctx ends.
func (b *broadcast) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for b.err == nil {
		timer.Reset(time.Until(b.due(b.frames)))
		select {
		case <-timer.C:
			b.frame()
		case <-ctx.Done():
			return nil
		}
	}
	return b.err
}

// due is when frame n leaves the encoder.
func (b *broadcast) due(n int) time.Time { return b.anchor.Add(frameTime(n)) }

func frameTime(n int) time.Duration { return time.Duration(n) * time.Second / frameRate }

// frame gives the packager the next picture of every rung and the sound up to it.
func (b *broadcast) frame() {
	n := b.frames
	b.frames++
	at := frameTime(n).Milliseconds()
	key := n%framesOfGOP == 0
	for i, r := range b.rungs {
		au := cmaf.AccessUnit{DTS: at, PTS: at, Key: key, Data: b.picture(r, key)}
		if i == 0 {
			if err := b.pack.Source(au); err != nil {
				b.err = fmt.Errorf("the broadcast: %w", err)
				return
			}
			continue
		}
		b.pack.Rung(i-1, au)
	}
	for ; ; b.sounds++ {
		pts := int64(b.sounds) * 1024 * 1000 / audioRate
		if pts > at {
			break
		}
		b.pack.Audio(cmaf.AudioFrame{PTS: pts, Data: b.bytes(audioBitrate / 8 * 1024 / audioRate)})
	}
}

// picture makes an access unit of one NAL unit. A segment has one large
// picture and otherwise equal ones, so that its first part is keyPart times as
// large as the others.
func (b *broadcast) picture(r Rung, key bool) []byte {
	parts := float64(framesOfGOP / framesOfPart)
	perPart := float64(r.Bitrate) / 8 * segment.Seconds() / (parts - 1 + keyPart)
	size := perPart / framesOfPart
	kind := byte(0x41)
	if key {
		size += perPart * (keyPart - 1)
		kind = 0x65
	}
	n := max(int(size*(1+waver*(2*b.rng.Float64()-1))), 16)
	au := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+n), uint32(n)), kind)
	return append(au, b.bytes(n-1)...)
}

// bytes are n that do not compress. They must not be modified.
func (b *broadcast) bytes(n int) []byte {
	at := b.rng.IntN(len(b.noise) - n)
	return b.noise[at : at+n]
}

// seal signs a part and publishes it, as the origin does.
func (b *broadcast) seal(p packager.Part) {
	info := &b.info.Tracks[min(p.Track, len(b.info.Tracks)-1)]
	h := &media.Header{Flags: p.Flags, Stream: StreamID, Track: info.Number, ID: p.ID, Init: 1, PDT: b.anchor.Add(p.At).UTC(), Duration: p.Duration,
		Size: len(p.Payload), ChunkSize: media.ChunkSize(len(p.Payload), info.Slices)}
	h.Hashes = media.HashChunks(p.Payload, h.ChunkSize)
	track, ok := b.stream.Track(info.Name)
	if !ok {
		b.err = fmt.Errorf("track %s is not in the directory", info.Name)
		return
	}
	if err := track.Add(store.CompletePart(h, h.Sign(b.key), p.Payload)); err != nil {
		b.err = fmt.Errorf("publish %s %s: %w", info.Name, p.ID, err)
	}
}

// genuine reports whether these are the bytes of a part that was published and
// that the store still has.
func (b *broadcast) genuine(track string, id media.PartID, data []byte) bool {
	t, ok := b.stream.Track(track)
	if !ok {
		return false
	}
	p, ok := t.Snapshot().Part(id)
	return ok && bytes.Equal(p.Bytes(), data)
}
