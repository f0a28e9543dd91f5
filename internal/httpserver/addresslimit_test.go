package httpserver

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestAddressLimit(t *testing.T) {
	l := &AddressLimit{Max: 2}
	enter := func(remote string, want bool) func() {
		t.Helper()
		leave, ok := l.Enter(remote)
		if ok != want {
			t.Fatalf("%s admitted: %v", remote, ok)
		}
		return leave
	}
	first := enter("192.0.2.1:1000", true)
	second := enter("[::ffff:192.0.2.1]:1001", true) // the same address
	enter("192.0.2.1:1002", false)
	defer enter("192.0.2.2:1000", true)()
	first()
	third := enter("192.0.2.1:1003", true)
	enter("192.0.2.1:1004", false)
	second()
	third()
	defer enter("[2001:db8::1]:1", true)()
	defer enter("[2001:db8::2]:1", true)()
	enter("[2001:db8::3]:1", false) // one customer's network
	defer enter("[2001:db8:0:1::3]:1", true)()
	for range 5 {
		defer enter("127.0.0.1:1", true)()
		defer enter("[::1]:1", true)()
		defer enter("@", true)() // a unix socket
	}
	if _, kept := l.open[netip.MustParseAddr("192.0.2.1")]; kept || len(l.open) != 3 {
		t.Errorf("remembers %v", l.open)
	}
	none := &AddressLimit{}
	for range 5 {
		if _, ok := none.Enter("192.0.2.1:1"); !ok {
			t.Fatal("limited without a limit")
		}
	}
}

func TestAddressLimitAnswers429(t *testing.T) {
	l := &AddressLimit{Max: 1}
	var inner *httptest.ResponseRecorder
	var h http.Handler
	h = l.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if inner == nil { // a second one while the first is in progress
			inner = httptest.NewRecorder()
			h.ServeHTTP(inner, r)
		}
	}))
	outer := httptest.NewRecorder()
	h.ServeHTTP(outer, httptest.NewRequest(http.MethodGet, "/", nil))
	if outer.Code != http.StatusOK || inner.Code != http.StatusTooManyRequests || inner.Header().Get("Retry-After") == "" {
		t.Fatalf("%d, then %d", outer.Code, inner.Code)
	}
	again := httptest.NewRecorder()
	h.ServeHTTP(again, httptest.NewRequest(http.MethodGet, "/", nil))
	if again.Code != http.StatusOK {
		t.Fatalf("the place was not given back: %d", again.Code)
	}
}
