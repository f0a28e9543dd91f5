package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxAdminAnswer = 4 << 20

// edgeBytes asks for the media bytes that have left the edge.
func (m *meter) edgeBytes(ctx context.Context) (uint64, error) {
	if m.o.EdgeBytes != nil {
		return m.o.EdgeBytes()
	}
	if m.o.Admin == "" {
		return 0, nil
	}
	n, err := adminEdgeBytes(ctx, m.o.Admin, m.o.URL)
	if err != nil {
		return 0, fmt.Errorf("ask %s for the edge's counters: %w", m.o.Admin, err)
	}
	return n, nil
}

func adminEdgeBytes(ctx context.Context, admin, stream string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(admin, "/")+"/api/v1/streams", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s", resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAdminAnswer))
	if err != nil {
		return 0, err
	}
	var rows []struct {
		ID        string `json:"id"`
		EdgeBytes uint64 `json:"edgeBytes"`
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		return 0, fmt.Errorf("decode the list of streams: %w", err)
	}
	u, err := url.Parse(stream)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if strings.Contains(u.Path+"/", "/"+r.ID+"/") {
			return r.EdgeBytes, nil
		}
	}
	return 0, fmt.Errorf("it carries no stream of %s", stream)
}
