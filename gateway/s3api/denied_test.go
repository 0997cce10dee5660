package s3api

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/faulty"
)

// TestStorageThatTakesNoWrites: a folder whose permissions are gone and one on a disk that became read-only are the same to a client. Its own rights
// are not to blame, nothing was changed, and it may try again.
func TestStorageThatTakesNoWrites(t *testing.T) {
	for name, kind := range map[string]driver.Kind{"permission denied": driver.Denied, "read-only": driver.ReadOnly} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, siteOptions{})
			old := bytes.Repeat([]byte("old "), 10_000)
			s.put("object", old)
			upload := s.ask(http.MethodPost, "/"+testBucket+"/parts?uploads=", nil)
			_, id, _ := strings.Cut(string(upload.body), "<UploadId>")
			id, _, _ = strings.Cut(id, "</UploadId>")
			s.faults.SetPlan(func(c faulty.Call) *faulty.Fault {
				switch c.Op {
				case "Put", "Delete", "Uploads.Create", "Uploads.PutPart", "Uploads.Note", "Uploads.Complete", "Uploads.Abort":
					return &faulty.Fault{Kind: kind}
				}
				return nil
			})
			for _, c := range []struct {
				method, target string
				body           []byte
				headers        []string
			}{
				{http.MethodPut, "/bucket/object", []byte("new"), nil},
				{http.MethodPut, "/bucket/another", []byte("new"), []string{"If-None-Match: *"}},
				{http.MethodPut, "/bucket/copy", nil, []string{"X-Amz-Copy-Source: /bucket/object"}},
				{http.MethodDelete, "/bucket/object", nil, nil},
				{http.MethodPost, "/bucket/object?uploads=", nil, nil},
				{http.MethodPut, "/bucket/parts?partNumber=1&uploadId=" + id, []byte("part"), nil},
				{http.MethodDelete, "/bucket/parts?uploadId=" + id, nil, nil},
				{http.MethodPut, "/fresh", nil, nil},
			} {
				a := s.ask(c.method, c.target, c.body, c.headers...)
				if a.status != http.StatusServiceUnavailable || a.code() != "ServiceUnavailable" || !strings.Contains(string(a.body), "denies the gateway this access") {
					t.Errorf("%s %s: %s", c.method, c.target, a)
				}
			}
			s.faults.SetPlan(nil)
			if a := s.ask(http.MethodGet, "/bucket/object", nil); a.status != http.StatusOK || !bytes.Equal(a.body, old) {
				t.Errorf("the object after all that: %d, %d bytes", a.status, len(a.body))
			}
			list := s.ask(http.MethodGet, "/bucket?list-type=2", nil)
			if strings.Count(string(list.body), "<Key>") != 1 {
				t.Errorf("something was added or removed: %s", list)
			}
			s.put("object", []byte("and writes work again"))
		})
	}
}
