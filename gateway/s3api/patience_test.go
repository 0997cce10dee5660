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

// What takes long shows that it goes on, and ends as a whole document or not at all: a client that reads "Error" in an answer of success may take it for one.
func TestLongWorkKeepsItsClient(t *testing.T) {
	s := newSite(t, siteOptions{limits: Limits{FirstSign: time.Millisecond}})
	s.put("source", bytes.Repeat([]byte("x"), 10_000))
	fromSource := "X-Amz-Copy-Source: " + testBucket + "/source"
	for name, c := range map[string]struct {
		held, root string // the backend's call that takes long
		request    func() *http.Request
	}{
		"CopyObject": {"Put", "CopyObjectResult", func() *http.Request {
			return s.signed(http.MethodPut, "/"+testBucket+"/copy", nil, fromSource)
		}},
		"UploadPartCopy": {"Put", "CopyPartResult", func() *http.Request {
			return s.signed(http.MethodPut, "/"+testBucket+"/parted?partNumber=1&uploadId="+s.createUpload("parted"), nil, fromSource)
		}},
		"CompleteMultipartUpload": {"Uploads.Complete", "CompleteMultipartUploadResult", func() *http.Request {
			target := "/" + testBucket + "/completed?uploadId=" + s.createUpload("completed")
			part := s.ask(http.MethodPut, target+"&partNumber=1", []byte("a part"))
			s.want(part, http.StatusOK, "")
			return s.signed(http.MethodPost, target, []byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"+
				part.header.Get("Etag")+"</ETag></Part></CompleteMultipartUpload>"))
		}},
	} {
		for _, fails := range []bool{false, true} {
			request := c.request()
			goOn := make(chan struct{})
			s.faults.SetPlan(func(call faulty.Call) *faulty.Fault {
				if call.Op != c.held {
					return nil
				}
				<-goOn
				if fails {
					return &faulty.Fault{Kind: driver.NoSpace}
				}
				return nil
			})
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
			s.faults.SetPlan(nil)
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

// signed makes a request and signs it with a hashed payload.
func (s *site) signed(method, target string, body []byte, headers ...string) *http.Request {
	s.t.Helper()
	r := s.request(method, target, headers...)
	s.signer.sign(r, formHashed, body)
	return r
}
