package cmaf

import "encoding/binary"

// Sample is one frame inside a chunk.
type Sample struct {
	Duration uint32 // in the track's timescale
	Offset   int32  // composition time minus decode time
	Key      bool   // sync sample; audio always is
	Data     []byte
}

// Sizes of the fixed boxes of a chunk.
const (
	boxHeader = 8
	mfhdSize  = 16
	tfhdSize  = 16
	tfdtSize  = 20
	trunFixed = 20
)

// Flags of trun and of samples (ISO/IEC 14496-12 sections 8.8.8 and 8.8.3.1).
const (
	trunDataOffset  = 0x000001
	trunDuration    = 0x000100
	trunSize        = 0x000200
	trunFlags       = 0x000400
	trunComposition = 0x000800

	sampleSync    = 0x02000000 // depends on no other
	sampleNonSync = 0x01010000 // depends on others, is no sync sample
)

// AppendChunk writes one CMAF chunk (moof + mdat) to dst. The library's writer
// copies the payload three times and allocates per box (BenchmarkChunk), and a
// chunk is written for every part of every track, so this one is ours.
func AppendChunk(dst []byte, sequence uint32, decodeTime uint64, video bool, samples []Sample) []byte {
	flags := uint32(trunDataOffset | trunDuration | trunSize)
	entry, payload := 8, 0
	if video {
		flags |= trunFlags
		entry += 4
	}
	for i := range samples {
		payload += len(samples[i].Data)
		if samples[i].Offset != 0 && flags&trunComposition == 0 {
			flags |= trunComposition
			entry += 4
		}
	}
	trun := trunFixed + entry*len(samples)
	traf := boxHeader + tfhdSize + tfdtSize + trun
	moof := boxHeader + mfhdSize + traf
	if need := len(dst) + moof + boxHeader + payload; cap(dst) < need {
		dst = append(make([]byte, 0, need), dst...)
	}
	be := binary.BigEndian
	box := func(size int, name string) {
		dst = append(be.AppendUint32(dst, uint32(size)), name...)
	}
	box(moof, "moof")
	box(mfhdSize, "mfhd")
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, sequence)
	box(traf, "traf")
	box(tfhdSize, "tfhd")
	dst = be.AppendUint32(dst, 0x020000) // default-base-is-moof
	dst = be.AppendUint32(dst, trackID)
	box(tfdtSize, "tfdt")
	dst = be.AppendUint32(dst, 1<<24) // version 1: 64 bits
	dst = be.AppendUint64(dst, decodeTime)
	box(trun, "trun")
	dst = be.AppendUint32(dst, 1<<24|flags) // version 1: signed offsets
	dst = be.AppendUint32(dst, uint32(len(samples)))
	dst = be.AppendUint32(dst, uint32(moof+boxHeader))
	for i := range samples {
		s := &samples[i]
		dst = be.AppendUint32(dst, s.Duration)
		dst = be.AppendUint32(dst, uint32(len(s.Data)))
		if video {
			f := uint32(sampleNonSync)
			if s.Key {
				f = sampleSync
			}
			dst = be.AppendUint32(dst, f)
		}
		if flags&trunComposition != 0 {
			dst = be.AppendUint32(dst, uint32(s.Offset))
		}
	}
	box(boxHeader+payload, "mdat")
	for i := range samples {
		dst = append(dst, samples[i].Data...)
	}
	return dst
}
