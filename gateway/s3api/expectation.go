package s3api

import (
	"maps"
	"net/http"
	"strings"
)

// asksInVain reports whether the client waits for "100 Continue" before it sends a body that is empty. No client should (RFC 9110, 10.1.1) and net/http
// then sends none, but botocore does for every file. If it gets a final answer instead, it takes the status of that answer for the one of its next
// upload on the connection too, and loses the headers of that.
func (c *call) asksInVain() bool {
	return c.r.Body == http.NoBody && c.r.ProtoAtLeast(1, 1) && !c.continued && strings.EqualFold(c.r.Header.Get("Expect"), "100-continue")
}

// continueInVain sends such a client what it waits for. A refused one has its connection closed instead, as after every body that was not asked for.
func (c *call) continueInVain() {
	if !c.asksInVain() {
		return
	}
	c.continued = true
	h := c.w.Header()
	final := maps.Clone(h)
	clear(h) // they would be sent with the 100 too
	c.w.ResponseWriter.WriteHeader(http.StatusContinue)
	maps.Copy(h, final)
}
