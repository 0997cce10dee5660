package s3api

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRanges(t *testing.T) {
	s := newSite(t, siteOptions{})
	body := pattern(200_001)
	size := len(body)
	s.put("r", body)
	s.put("empty", nil)
	for header, want := range map[string][2]int{
		"bytes=0-":                          {0, size},
		"bytes=0-0":                         {0, 1},
		"bytes=-1":                          {size - 1, size},
		"bytes=65535-65536":                 {65535, 65537},
		"bytes=200000-":                     {200_000, size},
		"bytes=100-99999999999999999999999": {100, size},
		"bytes=-99999999999999999999999":    {0, size},
		"bytes= 5 - 9 ":                     {5, 10},
	} {
		a := s.ask(http.MethodGet, "/"+testBucket+"/r", nil, "Range: "+header)
		if a.status != 206 || !bytes.Equal(a.body, body[want[0]:want[1]]) || a.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", want[0], want[1]-1, size) {
			t.Errorf("%s: %d, %d bytes, %q", header, a.status, len(a.body), a.header.Get("Content-Range"))
		}
		h := s.ask(http.MethodHead, "/"+testBucket+"/r", nil, "Range: "+header)
		if h.status != 206 || h.header.Get("Content-Length") != fmt.Sprint(want[1]-want[0]) {
			t.Errorf("HEAD %s: %s", header, h)
		}
	}
	for _, header := range []string{"bytes=0-1,5-6", "bytes=9-5", "bytes=", "bytes=-", "bytes=x-y", "items=0-1", "0-1", "bytes=0", "bytes=--1", "bytes=1-2-3"} {
		if a := s.ask(http.MethodGet, "/"+testBucket+"/r", nil, "Range: "+header); a.status != 200 || !bytes.Equal(a.body, body) || a.header.Get("Content-Range") != "" {
			t.Errorf("%s: %d, %d bytes", header, a.status, len(a.body))
		}
	}
	for _, header := range []string{"bytes=200001-", "bytes=-0", "bytes=99999999999999999999999-", "bytes=300000-300001"} {
		a := s.ask(http.MethodGet, "/"+testBucket+"/r", nil, "Range: "+header)
		if a.status != 416 || a.code() != "InvalidRange" || a.header.Get("Content-Range") != "bytes */200001" || !strings.Contains(string(a.body), "<ActualObjectSize>200001</ActualObjectSize><RangeRequested>"+header+"<") {
			t.Errorf("%s: %s", header, a)
		}
		s.want(s.ask(http.MethodHead, "/"+testBucket+"/r", nil, "Range: "+header), 416, "")
	}
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/empty", nil, "Range: bytes=0-"), 416, "InvalidRange")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/r?partNumber=1", nil, "Range: bytes=0-1"), 400, "InvalidRequest")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/r?partNumber=2", nil), 416, "InvalidPartNumber")
	if a := s.ask(http.MethodGet, "/"+testBucket+"/r?partNumber=1", nil); a.status != 206 || !bytes.Equal(a.body, body) {
		t.Errorf("the only part: %d, %d bytes", a.status, len(a.body))
	}
}

// TestCopyRanges: a range to copy that the source does not have is refused, where a GET would shorten it.
func TestCopyRanges(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.put("source", bytes.Repeat([]byte("x"), 100))
	id := s.createUpload("copied")
	for _, header := range []string{"bytes=0-100", "bytes=99-100", "bytes=100-100", "bytes=5-4", "bytes=-5", "bytes=5-", "0-5", "bytes=0-1,3-4", "bytes=0-99999999999999999999"} {
		a := s.ask(http.MethodPut, "/"+testBucket+"/copied?partNumber=1&uploadId="+id, nil, "x-amz-copy-source: "+testBucket+"/source", "x-amz-copy-source-range: "+header)
		s.want(a, 400, "InvalidArgument")
		if header == "bytes=0-100" && !strings.Contains(string(a.body), "source object of size: 100<") {
			t.Errorf("%s: %s", header, a)
		}
	}
	if a := s.ask(http.MethodGet, "/"+testBucket+"/copied?uploadId="+id, nil); a.status != 200 || strings.Contains(string(a.body), "<Part>") {
		t.Errorf("a part was kept: %s", a)
	}
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/copied?partNumber=1&uploadId="+id, nil, "x-amz-copy-source: "+testBucket+"/source", "x-amz-copy-source-range: bytes=99-99"), 200, "")
}

// TestIfRange: a client that goes on with a download gets the whole object when it is not the one it began with.
func TestIfRange(t *testing.T) {
	s := newSite(t, siteOptions{})
	body := bytes.Repeat([]byte("0123456789"), 20_000)
	put := s.put("r", body)
	etag := put.header.Get("Etag")
	modified := s.ask(http.MethodHead, "/"+testBucket+"/r", nil).header.Get("Last-Modified")
	for header, status := range map[string]int{
		etag:                            206,
		strings.Trim(etag, `"`):         206,
		modified:                        206,
		`"stale"`:                       200,
		"W/" + etag:                     200,
		etag + ", " + etag:              200,
		"*":                             200,
		"":                              200,
		"nonsense":                      200,
		"Mon, 02 Jan 2006 15:04:05 GMT": 200,
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): 200,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := s.ask(method, "/"+testBucket+"/r", nil, "Range: bytes=199990-", "If-Range: "+header)
			want := body
			if status == 206 {
				want = body[199990:]
			}
			if a.status != status || method == http.MethodGet && !bytes.Equal(a.body, want) || (a.header.Get("Content-Range") != "") != (status == 206) {
				t.Errorf("%s If-Range: %s: %d, %d bytes, %q", method, header, a.status, len(a.body), a.header.Get("Content-Range"))
			}
		}
	}
	// The condition of a range that is not there does not matter, and of another object a range past the end is no fault.
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/r", nil, `If-Range: "stale"`), 200, "")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/r", nil, "Range: bytes=900000-", `If-Range: "stale"`), 200, "")
	s.want(s.ask(http.MethodGet, "/"+testBucket+"/r", nil, "Range: bytes=900000-", "If-Range: "+etag), 416, "InvalidRange")
}

func TestReadConditions(t *testing.T) {
	s := newSite(t, siteOptions{})
	etag := s.put("c", []byte("x")).header.Get("Etag")
	past, future := "Mon, 02 Jan 2006 15:04:05 GMT", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		headers []string
		status  int
	}{
		{[]string{"If-Match: " + etag}, 200},
		{[]string{"If-Match: " + strings.Trim(etag, `"`)}, 200},
		{[]string{`If-Match: "other", ` + etag}, 200},
		{[]string{"If-Match: *"}, 200},
		{[]string{`If-Match: "other"`}, 412},
		{[]string{"If-None-Match: " + etag}, 304},
		{[]string{"If-None-Match: W/" + etag}, 304},
		{[]string{"If-None-Match: *"}, 304},
		{[]string{`If-None-Match: "other"`}, 200},
		{[]string{"If-Modified-Since: " + future}, 304},
		{[]string{"If-Modified-Since: " + past}, 200},
		{[]string{"If-Modified-Since: nonsense"}, 200},
		{[]string{"If-Unmodified-Since: " + past}, 412},
		{[]string{"If-Unmodified-Since: " + future}, 200},
		{[]string{"If-Match: " + etag, "If-Unmodified-Since: " + past}, 200},
		{[]string{`If-None-Match: "other"`, "If-Modified-Since: " + future}, 200},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := s.ask(method, "/"+testBucket+"/c", nil, c.headers...)
			if a.status != c.status {
				t.Errorf("%s %v: %s", method, c.headers, a)
			}
			if c.status == 304 && (len(a.body) != 0 || a.header.Get("Etag") != etag || a.header.Get("Content-Type") != "") {
				t.Errorf("%s %v: not a bare 304: %s", method, c.headers, a)
			}
			if c.status == 412 && method == http.MethodGet && a.code() != "PreconditionFailed" {
				t.Errorf("%v: %s", c.headers, a)
			}
		}
	}
}

func TestWriteConditions(t *testing.T) {
	s := newSite(t, siteOptions{})
	etag := s.put("w", []byte("old")).header.Get("Etag")
	for _, c := range []struct {
		key, header string
		status      int
		code        string
	}{
		{"w", "If-None-Match: *", 412, "PreconditionFailed"},
		{"w", `If-None-Match: "x"`, 501, "NotImplemented"},
		{"w", `If-Match: "x"`, 412, "PreconditionFailed"},
		{"w", "If-Match: *", 501, "NotImplemented"},
		{"w", `If-Match: "x", "y"`, 501, "NotImplemented"},
		{"w", "If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT", 501, "NotImplemented"},
		{"w", "If-Modified-Since: Mon, 02 Jan 2006 15:04:05 GMT", 501, "NotImplemented"},
		{"none", "If-Match: " + etag, 404, "NoSuchKey"},
	} {
		for name, send := range map[string]func() *answer{
			"put": func() *answer { return s.ask(http.MethodPut, "/"+testBucket+"/"+c.key, []byte("new"), c.header) },
			"copy": func() *answer {
				return s.ask(http.MethodPut, "/"+testBucket+"/"+c.key, nil, c.header, "x-amz-copy-source: bucket/source")
			},
		} {
			s.put("source", []byte("copied"))
			if a := send(); a.status != c.status || a.code() != c.code {
				t.Errorf("%s %s %s: %s", name, c.key, c.header, a)
			}
		}
		if a := s.ask(http.MethodGet, "/"+testBucket+"/w", nil); string(a.body) != "old" {
			t.Fatalf("%s changed the object", c.header)
		}
	}
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/w", []byte("new"), "If-Match: "+etag), 200, "")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/fresh", nil, "If-None-Match: *"), 200, "")
	s.want(s.ask(http.MethodDelete, "/"+testBucket+"/w", nil, "If-Match: "+etag), 412, "PreconditionFailed")
	s.want(s.ask(http.MethodDelete, "/"+testBucket+"/w", nil, "If-None-Match: *"), 501, "NotImplemented")
	s.want(s.ask(http.MethodDelete, "/"+testBucket+"/w", nil, "If-Match: *"), 204, "")
	id := s.createUpload("u")
	s.want(s.ask(http.MethodPut, "/"+testBucket+"/u?partNumber=1&uploadId="+id, nil, "If-None-Match: *"), 501, "NotImplemented")
	s.want(s.ask(http.MethodPost, "/"+testBucket+"/u?uploads", nil, "If-None-Match: *"), 501, "NotImplemented")
}

func TestCopyConditionsAndDirectives(t *testing.T) {
	s := newSite(t, siteOptions{})
	etag := s.put("src", []byte("bytes"), "Content-Type: text/a", "x-amz-meta-k: v", "Cache-Control: no-cache").header.Get("Etag")
	copyTo := func(key string, headers ...string) *answer {
		t.Helper()
		return s.ask(http.MethodPut, "/"+testBucket+"/"+key, nil, append(headers, "x-amz-copy-source: /bucket/src")...)
	}
	past := "Mon, 02 Jan 2006 15:04:05 GMT"
	for header, status := range map[string]int{
		"x-amz-copy-source-if-match: " + etag: 200, "x-amz-copy-source-if-match: x": 412, "x-amz-copy-source-if-none-match: " + etag: 412,
		"x-amz-copy-source-if-none-match: x": 200, "x-amz-copy-source-if-modified-since: " + past: 200, "x-amz-copy-source-if-unmodified-since: " + past: 412,
		"x-amz-copy-source-if-modified-since: nonsense": 400, "x-amz-metadata-directive: MERGE": 400, "x-amz-tagging-directive: COPY": 200,
		"x-amz-tagging: a=b": 501, "x-amz-tagging: ": 200, "x-amz-copy-source-range: bytes=0-1": 501, "x-amz-checksum-algorithm: CRC99": 400,
	} {
		if a := copyTo("dst", header); a.status != status {
			t.Errorf("%s: %s", header, a)
		}
	}
	shown := func(key string) string {
		h := s.ask(http.MethodHead, "/"+testBucket+"/"+key, nil).header
		return h.Get("Content-Type") + "," + h.Get("X-Amz-Meta-K") + "," + h.Get("Cache-Control")
	}
	s.want(copyTo("kept", "x-amz-meta-k: ignored", "Content-Type: text/b"), 200, "")
	if got := shown("kept"); got != "text/a,v,no-cache" {
		t.Errorf("COPY gives %s", got)
	}
	s.want(copyTo("replaced", "x-amz-metadata-directive: REPLACE", "x-amz-meta-k: w", "Content-Type: text/b"), 200, "")
	if got := shown("replaced"); got != "text/b,w," {
		t.Errorf("REPLACE gives %s", got)
	}
	s.want(copyTo("src"), 400, "InvalidRequest")
	s.want(copyTo("src", "x-amz-metadata-directive: REPLACE", "x-amz-meta-k: x"), 200, "")
	if got := shown("src"); got != "binary/octet-stream,x," {
		t.Errorf("onto itself gives %s", got)
	}
}
