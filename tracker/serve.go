package tracker

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"starling/internal/trackerwire"
)

const (
	// joinTimeout is how long a connection may stay without join.
	joinTimeout = 10 * time.Second
	// maxBad is how many malformed messages end a session.
	maxBad = 10
	// trackSwitches a second and at once are far above what a player that
	// adapts its rung does.
	trackSwitches    = 2
	trackSwitchBurst = 20
)

// errEnded ends a session after its reason was sent.
var errEnded = errors.New("session ended")

// serve handles one viewer's connection from upgrade to end.
func (t *Tracker) serve(w http.ResponseWriter, r *http.Request) {
	ctx, ok := t.enter()
	if !ok {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the tracker is not ready, or is shutting down: try again", http.StatusServiceUnavailable)
		return
	}
	defer t.sessions.Done()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{trackerwire.Subprotocol},
		// Pages of any site may embed a player, and a session has no
		// cookie or other authority that a foreign page could borrow.
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // Accept has answered
	}
	if ws.Subprotocol() != trackerwire.Subprotocol {
		_ = ws.Close(websocket.StatusProtocolError, "subprotocol "+trackerwire.Subprotocol+" is required")
		return
	}
	ws.SetReadLimit(trackerwire.MaxMessage)
	writing, abort := context.WithCancel(ctx)
	c := &connection{ws: ws, out: make(chan []byte, queueLength), quit: make(chan struct{}), abort: abort, timeout: t.cfg.WriteTimeout}
	var wg sync.WaitGroup
	wg.Go(func() { c.write(writing) })
	s := &session{t: t, c: c, host: r.Host, origin: t.originOf(r), limit: rate.NewLimiter(rate.Limit(t.cfg.MessageRate), t.cfg.MessageRate),
		switches: rate.NewLimiter(trackSwitches, trackSwitchBurst)}
	defer t.unregister(c)
	if t.register(c) {
		s.fail(trackerwire.CodeFull, "the tracker has all the viewers that it can take: play from the edge")
		c.shut(websocket.StatusTryAgainLater, "full")
	} else {
		s.end(s.read(ctx))
	}
	wg.Wait()
	abort()
}

// session is the reading side of one connection.
type session struct {
	t     *Tracker
	c     *connection
	host  string // by which the viewer reached the tracker
	limit *rate.Limiter
	// origin is where the viewer comes from.
	origin origin
	// switches bounds tracks messages: each makes the overlay work.
	switches *rate.Limiter
	bad      int
	room     *room
	who      *viewer // nil before join
}

// read handles messages until the connection ends.
func (s *session) read(ctx context.Context) error {
	overdue := time.AfterFunc(joinTimeout, func() { s.c.shut(websocket.StatusPolicyViolation, "no join") })
	defer overdue.Stop()
	for {
		if s.who != nil {
			overdue.Stop()
		}
		kind, b, err := s.c.ws.Read(ctx)
		if err != nil {
			return err
		}
		if !s.limit.Allow() {
			return s.tooFast("too many messages")
		}
		if kind != websocket.MessageText {
			if !s.complain(trackerwire.CodeBadMessage, "messages are JSON text") {
				return errEnded
			}
			continue
		}
		m, err := trackerwire.ParseViewer(b)
		var format *trackerwire.FormatError
		switch {
		case errors.As(err, &format):
			if !s.complain(format.Code, format.Reason) {
				return errEnded
			}
			continue
		case err != nil: // of a later version
			s.t.metrics.message("unknown")
			continue
		}
		s.t.metrics.message(m.Type())
		if err := s.handle(m); err != nil {
			return err
		}
	}
}

// complain answers a malformed message; false when that was the last one.
func (s *session) complain(code trackerwire.Code, reason string) bool {
	s.fail(code, reason)
	if s.bad++; s.bad >= maxBad {
		s.c.shut(websocket.StatusPolicyViolation, "too many malformed messages")
		return false
	}
	return true
}

// tooFast ends a session that goes beyond a rate.
func (s *session) tooFast(what string) error {
	s.fail(trackerwire.CodeRate, what)
	s.c.shut(websocket.StatusPolicyViolation, what)
	return errEnded
}

// fail answers with an error.
func (s *session) fail(code trackerwire.Code, message string) {
	s.t.metrics.failure(code)
	s.send(&trackerwire.Error{Code: code, Message: message})
}

func (s *session) send(m trackerwire.Message) {
	b, err := trackerwire.Marshal(m)
	if err != nil {
		s.t.log.Error("a message could not be encoded", "type", m.Type(), "error", err)
		return
	}
	s.c.send(b)
}

// end takes the viewer out of its room, or leaves it there for a while when
// its connection merely broke.
func (s *session) end(err error) {
	if s.who != nil {
		s.room.disconnected(s.who, s.c, saidGoodbye(err))
	}
	var closed websocket.CloseError
	switch {
	case errors.Is(err, errEnded):
	case errors.As(err, &closed):
		s.c.shut(websocket.StatusNormalClosure, "")
	default:
		s.c.shut(websocket.StatusProtocolError, "")
	}
}

// iceServers gives the STUN servers for a viewer that reached the tracker by
// host, which the viewer's own request named.
func (c *Config) iceServers(host string) []trackerwire.ICEServer {
	if len(c.STUN) > 0 {
		return []trackerwire.ICEServer{{URLs: c.STUN}}
	}
	if c.STUNPort == 0 {
		return []trackerwire.ICEServer{}
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "" || len(host) > 255 || strings.ContainsAny(host, " /?#@%\"\\") {
		return []trackerwire.ICEServer{}
	}
	return []trackerwire.ICEServer{{URLs: []string{"stun:" + net.JoinHostPort(host, strconv.Itoa(c.STUNPort))}}}
}
