package ingest

import (
	"errors"
	"net"
	"os"

	"github.com/bluenviron/gortmplib/pkg/message"

	"starling/internal/cmaf"
	"starling/origin/flv"
)

const kindVideo = message.TypeVideo

// classify gives an error's word for metrics, from a fixed set, and the RTMP
// status code that publishers know.
func (p *publication) classify(err error) (reason, code string) {
	var refusal *Refusal
	var network net.Error
	switch {
	case errors.As(err, &refusal):
		if refusal.Reason == "busy" || refusal.Reason == "name" {
			return refusal.Reason, "NetStream.Publish.BadName"
		}
		return refusal.Reason, "NetStream.Publish.Rejected"
	case errors.Is(err, flv.ErrCodec), errors.Is(err, cmaf.ErrUnsupported):
		return "codec", "NetStream.Publish.Rejected"
	case errors.Is(err, flv.ErrFormat), errors.Is(err, cmaf.ErrBitstream):
		return "bitstream", "NetStream.Publish.Rejected"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout", "NetStream.Publish.Rejected"
	case errors.As(err, &network):
		return "network", "NetStream.Publish.Rejected"
	}
	return "protocol", "NetStream.Publish.Rejected"
}
