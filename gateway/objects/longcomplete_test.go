package objects

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/providers/driver"
)

// copying is a backend that copies an upload's parts to complete it, which takes a while, and stops when it is told to.
type copying struct {
	driver.Driver
	takes time.Duration
	begun int
}

func (c *copying) Uploads() driver.Uploads { return copyingUploads{c.Driver.Uploads(), c} }

type copyingUploads struct {
	driver.Uploads
	c *copying
}

func (u copyingUploads) Complete(ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	u.c.begun++
	select {
	case <-time.After(u.c.takes):
		return u.Uploads.Complete(ctx, up, parts, opts)
	case <-ctx.Done():
		return nil, &driver.Error{Kind: driver.Canceled, Op: "Complete", Key: up.Key, Err: ctx.Err()}
	}
}

// TestLongComplete: a client that waits a minute for an answer, as minio-go and boto3 do, and asks again, gets an upload completed that takes longer. What
// was begun for it is gone on with, and who asks again is answered when it is done.
func TestLongComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &copying{takes: 7 * time.Minute}
		w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver { slow.Driver = d; return slow }})
		body := content(1, 1000)
		id := w.begin("k")
		part := w.part("k", id, 1, body)
		heard := make(chan string, 1)
		ask := func() {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			defer time.AfterFunc(time.Minute, leave).Stop()
			out, err := w.CompleteUpload(ctx, &CompleteInput{UploadRef: ref("k", id), Parts: []CompletedPart{part}, Size: -1})
			switch {
			case ctx.Err() != nil: // nobody heard what came of it
			case err != nil:
				heard <- err.Error()
			default:
				heard <- out.ETag
			}
		}
		answer := ""
		for tries := 0; answer == ""; tries++ {
			if tries == 10 {
				t.Fatal("the upload is not completed")
			}
			go ask()
			select {
			case answer = <-heard:
			case <-time.After(61 * time.Second):
			}
		}
		if answer != multipartETag(body) || slow.begun != 1 {
			t.Errorf("the answer is %s, the backend was asked %d times", answer, slow.begun)
		}
		w.wantObject("k", multipartETag(body), body)
	})
}
