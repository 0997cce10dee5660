package s3api

import (
	"net/http"
	"strings"
	"time"
)

// showingLife does work. If that takes longer than clients wait, it sends the head of a successful answer meanwhile, and then white space now and then: most
// clients give up when no byte has come for a minute, their copy is stopped, and they begin it anew, again and again; a completion goes on without them, but
// they ask for it a few times only. S3 does so too. S3 tells a failure in the document then, which minio-go's copies for one take for success; here the
// connection is cut, as for any answer that fails after its first byte.
//
// prepare sets the headers of success. finishXML writes the rest of the answer.
func (c *call) showingLife(prepare func(), work func() error) error {
	if !c.r.ProtoAtLeast(1, 1) {
		return work() // an answer that is cut looks whole to such a client
	}
	ended, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		timer := time.NewTimer(c.h.limits.FirstSign)
		defer timer.Stop()
		sign := xmlDeclaration
		for {
			select {
			case <-ended:
				return
			case <-timer.C:
			}
			if sign == xmlDeclaration {
				prepare()
				c.w.Header().Set("Content-Type", "application/xml")
				c.w.WriteHeader(http.StatusOK)
			}
			if _, err := c.w.Write([]byte(sign)); err != nil {
				return // the request's context ends with the connection
			}
			_ = c.w.control.Flush()
			sign = " "
			timer.Reset(c.h.limits.FirstSign / 2)
		}
	}()
	defer func() { // whatever ends the work: nothing may be written once the request is over
		close(ended)
		<-gone
	}()
	return work()
}

// finishXML writes the document of a successful answer, or what is missing of it if showingLife has begun it.
func (c *call) finishXML(d *document) {
	if c.w.status == 0 {
		c.writeXML(http.StatusOK, d)
		return
	}
	_, _ = c.w.Write([]byte(strings.TrimPrefix(string(d.bytes()), xmlDeclaration)))
}
