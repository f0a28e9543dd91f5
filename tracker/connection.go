package tracker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// queueLength is how many messages wait for a slow viewer before it is cut:
// an assignment and the signals of all its peers fit several times.
const queueLength = 128

// connection is one WebSocket. Anyone may send and shut; write owns the
// writing side.
type connection struct {
	ws      *websocket.Conn
	out     chan []byte
	timeout time.Duration

	once   sync.Once
	quit   chan struct{} // closed by shut
	code   websocket.StatusCode
	reason string
	abort  context.CancelFunc // cuts a write that does not end
}

// send queues a message. A viewer that does not read is cut.
func (c *connection) send(b []byte) {
	select {
	case c.out <- b:
	default:
		c.shut(websocket.StatusPolicyViolation, "messages are not read")
		c.abort()
	}
}

// shut closes the connection after what is queued. The first call decides.
func (c *connection) shut(code websocket.StatusCode, reason string) {
	c.once.Do(func() {
		c.code, c.reason = code, reason
		close(c.quit)
	})
}

// write sends what is queued until shut, then closes the WebSocket. It returns
// when the connection is closed.
func (c *connection) write(ctx context.Context) {
	for {
		select {
		case b := <-c.out:
			if !c.writeOne(ctx, b) {
				return
			}
		case <-c.quit:
			for {
				select {
				case b := <-c.out:
					if !c.writeOne(ctx, b) {
						return
					}
					continue
				default:
				}
				break
			}
			// The other side may be gone: its close frame is awaited for a
			// bounded time by the library.
			if err := c.ws.Close(c.code, c.reason); err != nil {
				c.closeNow()
			}
			return
		}
	}
}

func (c *connection) writeOne(ctx context.Context, b []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageText, b); err != nil {
		c.closeNow()
		return false
	}
	return true
}

// closeNow drops the connection. That it is closed already is no news.
func (c *connection) closeNow() {
	_ = c.ws.CloseNow()
}

// saidGoodbye reports whether a read ended because the viewer closed the
// connection on purpose: a page that is left closes with 1001.
func saidGoodbye(err error) bool {
	var e websocket.CloseError
	return errors.As(err, &e) && (e.Code == websocket.StatusNormalClosure || e.Code == websocket.StatusGoingAway)
}
