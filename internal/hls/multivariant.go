package hls

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"starling/internal/media"
)

// KeyDataID is the DATA-ID of the EXT-X-SESSION-DATA tag that carries the
// stream's public key, base64url without padding.
const KeyDataID = "starling.key"

const audioGroup = "audio"

// RenderMultivariant renders the multivariant playlist of a stream: a variant
// for each video track, with all audio tracks as one group; or, without video,
// a variant for each audio track.
func RenderMultivariant(info *media.StreamInfo) []byte {
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n")
	fmt.Fprintf(&b, "#EXT-X-SESSION-DATA:DATA-ID=%q,VALUE=%q\n", KeyDataID, base64.RawURLEncoding.EncodeToString(info.Key))
	var video, audio []*media.TrackInfo
	for i := range info.Tracks {
		if t := &info.Tracks[i]; t.Kind == media.Audio {
			audio = append(audio, t)
		} else {
			video = append(video, t)
		}
	}
	if len(video) == 0 {
		for _, t := range audio {
			variant(&b, t, nil)
		}
		return []byte(b.String())
	}
	for i, t := range audio {
		fmt.Fprintf(&b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=%q,NAME=%q,DEFAULT=%s,AUTOSELECT=YES", audioGroup, t.Name, yesNo(i == 0))
		if t.Channels > 0 {
			fmt.Fprintf(&b, `,CHANNELS="%d"`, t.Channels)
		}
		fmt.Fprintf(&b, ",URI=\"%s/%s\"\n", t.Name, playlistFile)
	}
	for _, t := range video {
		variant(&b, t, audio)
	}
	return []byte(b.String())
}

// variant writes EXT-X-STREAM-INF (draft section 4.4.6.2). Bitrates are those
// of the video and of the largest audio that can go with it, and CODECS names
// every format that a rendition of the variant has (section 6.2.4).
func variant(b *strings.Builder, t *media.TrackInfo, audio []*media.TrackInfo) {
	average, peak := t.Bitrate, max(t.PeakBitrate, t.Bitrate)
	codecs := []string{t.Codec}
	var audioAverage, audioPeak int
	for _, a := range audio {
		audioAverage, audioPeak = max(audioAverage, a.Bitrate), max(audioPeak, a.PeakBitrate, a.Bitrate)
		if !slices.Contains(codecs, a.Codec) {
			codecs = append(codecs, a.Codec)
		}
	}
	fmt.Fprintf(b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=%q", max(peak+audioPeak, 1), max(average+audioAverage, 1), strings.Join(codecs, ","))
	if t.Width > 0 && t.Height > 0 {
		fmt.Fprintf(b, ",RESOLUTION=%dx%d", t.Width, t.Height)
	}
	if t.FrameRate > 0 {
		fmt.Fprintf(b, ",FRAME-RATE=%.3f", t.FrameRate)
	}
	if len(audio) > 0 {
		fmt.Fprintf(b, ",AUDIO=%q", audioGroup)
	}
	fmt.Fprintf(b, "\n%s/%s\n", t.Name, playlistFile)
}

func yesNo(v bool) string {
	if v {
		return "YES"
	}
	return "NO"
}
