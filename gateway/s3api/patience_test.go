package s3api

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/faulty"
)

// A copy that takes long shows that it goes on, and ends as a whole document or not at all: a client that reads "Error" in an answer of success may take
// it for one.
func TestLongCopiesKeepTheirClients(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{FirstSign: time.Millisecond}})
	s.put("source", bytes.Repeat([]byte("x"), 10_000))
	upload := s.createUpload("parted")
	for name, c := range map[string]struct {
		target, root string
	}{
		"CopyObject":     {"/" + testBucket + "/copy", "CopyObjectResult"},
		"UploadPartCopy": {"/" + testBucket + "/parted?partNumber=1&uploadId=" + upload, "CopyPartResult"},
	} {
		for _, fails := range []bool{false, true} {
			goOn := make(chan struct{})
			s.faults.SetPlan(func(call faulty.Call) *faulty.Fault {
				if call.Op != "Put" && call.Op != "Uploads.PutPart" {
					return nil
				}
				<-goOn
				if fails {
					return &faulty.Fault{Kind: driver.NoSpace}
				}
				return nil
			})
			request := s.request(http.MethodPut, c.target, "X-Amz-Copy-Source: "+testBucket+"/source")
			s.signer.sign(request, formHashed, nil)
			response, err := s.server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			begin := make([]byte, len(xmlDeclaration)+3)
			if _, err := io.ReadFull(response.Body, begin); err != nil || response.StatusCode != http.StatusOK || string(begin) != xmlDeclaration+"   " {
				t.Errorf("%s: while it goes on: %d %q, %v", name, response.StatusCode, begin, err)
			}
			close(goOn)
			rest, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			var d struct {
				XMLName xml.Name
				ETag    string
			}
			switch parseErr := xml.Unmarshal(append(begin, rest...), &d); {
			case fails && !errors.Is(err, io.ErrUnexpectedEOF):
				t.Errorf("%s that fails: %q, %v", name, rest, err)
			case !fails && (err != nil || parseErr != nil || d.XMLName.Local != c.root || d.ETag == ""):
				t.Errorf("%s: %q, %v, %v", name, rest, err, parseErr)
			}
		}
	}
}
