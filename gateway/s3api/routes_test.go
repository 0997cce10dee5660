package s3api

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/gateway/auth"
)

// sample is a request for a row of the table, complete but for the signature.
type sample struct {
	method, target string
	headers        []string
	body           []byte
}

func sampleFor(op *operation) sample {
	s := sample{method: op.method, target: map[scope]string{serviceScope: "/", bucketScope: "/" + testBucket, objectScope: "/" + testBucket + "/some/key"}[op.scope]}
	values := map[string]string{"list-type": "2", "uploadId": "an-upload", "partNumber": "1", "select-type": "2"}
	for i, name := range op.selectors {
		s.target += map[bool]string{true: "?", false: "&"}[i == 0] + name
		if value := values[name]; value != "" {
			s.target += "=" + value
		}
	}
	if op.copies {
		s.headers = append(s.headers, "x-amz-copy-source: /"+testBucket+"/source")
	}
	if op.name == "GetObjectAttributes" {
		s.headers = append(s.headers, "x-amz-object-attributes: ETag")
	}
	switch op.body {
	case dataBody:
		s.body = []byte("canary plaintext of a sample")
	case xmlBody:
		switch op.name {
		case "DeleteObjects":
			s.body = []byte("<Delete><Object><Key>some/key</Key></Object></Delete>")
		case "CompleteMultipartUpload":
			s.body = []byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>")
		}
	case noBody:
	}
	return s
}

func eachRow(t *testing.T, f func(t *testing.T, op *operation, s sample)) {
	rows := operations()
	for i := range rows {
		t.Run(rows[i].name, func(t *testing.T) { f(t, &rows[i], sampleFor(&rows[i])) })
	}
}

func (s *site) sampleRequest(p sample) *http.Request {
	return s.request(p.method, p.target, p.headers...)
}

// TestEveryRouteRefusesEveryBadSignature is regression A5: a row cannot be reached with a wrong signature in any form, and nothing is read or
// written for it.
func TestEveryRouteRefusesEveryBadSignature(t *testing.T) {
	s := newSite(t, siteOptions{})
	wrong := s.signer
	wrong.secretKey = testSecret + "x"
	unknown := s.signer
	unknown.accessKey = "AKIANOBODYNOBODYNOBO"
	old := s.signer
	old.at = time.Now().Add(-16 * time.Minute)
	ahead := s.signer
	ahead.at = time.Now().Add(16 * time.Minute)
	elsewhere := s.signer
	elsewhere.region = "eu-central-1"
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		refused := func(name string, r *http.Request, status int, codes ...string) {
			t.Helper()
			a := s.send(r)
			if a.status != status || op.method != http.MethodHead && !slices.Contains(codes, a.code()) {
				t.Errorf("%s: %s, want %d %v", name, a, status, codes)
			}
			if s.backend.touched() {
				t.Errorf("%s: the backend was touched", name)
				s.backend.reads.Store(0)
				s.backend.writes.Store(0)
			}
		}
		for _, f := range allForms() {
			for _, c := range []struct {
				name   string
				signer signer
				status int
				codes  []string
			}{
				{"wrong secret", wrong, 403, []string{"SignatureDoesNotMatch"}},
				{"unknown key", unknown, 403, []string{"InvalidAccessKeyId"}},
				{"ahead of time", ahead, 403, []string{"RequestTimeTooSkewed", "AccessDenied"}},
				{"other region", elsewhere, 400, []string{"AuthorizationHeaderMalformed", "AuthorizationQueryParametersError"}},
			} {
				r := s.sampleRequest(p)
				c.signer.sign(r, f, p.body)
				refused(string(f)+", "+c.name, r, c.status, c.codes...)
			}
			if f != formPresigned {
				r := s.sampleRequest(p)
				old.sign(r, f, p.body)
				refused(string(f)+", too old", r, 403, "RequestTimeTooSkewed")
			}
			for name, change := range map[string]func(r *http.Request){
				"other query": func(r *http.Request) { r.URL.RawQuery += "&x=y" },
				"other path":  func(r *http.Request) { r.URL.Path += "x" },
			} {
				r := s.sampleRequest(p)
				s.signer.sign(r, f, p.body)
				change(r)
				refused(string(f)+", "+name, r, 403, "SignatureDoesNotMatch")
			}
		}
		r := s.sampleRequest(p)
		s.signer.presign(r, time.Hour)
		s.signer.signHeader(r, hexSHA(nil))
		refused("two kinds", r, 400, "InvalidArgument")
		r = s.sampleRequest(p)
		old.presign(r, time.Minute)
		refused("expired", r, 403, "AccessDenied")
		refused("anonymous", s.sampleRequest(p), 403, "AccessDenied")
		r = s.sampleRequest(p)
		r.Header.Set("Authorization", "AWS "+testAccess+":c2lnbmF0dXJl")
		refused("version 2", r, 400, "InvalidRequest")
	})
}

// TestEveryRouteWantsEveryHeaderSigned is regression A1 and A2.
func TestEveryRouteWantsEveryHeaderSigned(t *testing.T) {
	s := newSite(t, siteOptions{})
	headers := []string{
		"x-amz-copy-source: /bucket/other", "x-amz-copy-source-range: bytes=0-1", "x-amz-copy-source-if-match: e", "x-amz-copy-source-if-none-match: e",
		"x-amz-copy-source-if-modified-since: Mon, 02 Jan 2006 15:04:05 GMT", "x-amz-server-side-encryption: AES256",
		"x-amz-server-side-encryption-customer-algorithm: AES256", "x-amz-server-side-encryption-customer-key: AAAA",
		"x-amz-server-side-encryption-customer-key-md5: AAAA", "x-amz-copy-source-server-side-encryption-customer-algorithm: AES256",
		"x-amz-copy-source-server-side-encryption-customer-key: AAAA", "x-amz-copy-source-server-side-encryption-customer-key-md5: AAAA",
		"x-amz-tagging: a=b", "x-amz-acl: private", "x-amz-grant-read: id=1", "x-amz-grant-full-control: id=1", "x-amz-meta-a: b",
		"x-amz-storage-class: STANDARD", "x-amz-website-redirect-location: /x", "x-amz-object-lock-mode: GOVERNANCE",
		"x-amz-object-lock-retain-until-date: 2030-01-01T00:00:00Z", "x-amz-object-lock-legal-hold: ON", "x-amz-metadata-directive: REPLACE",
		"x-amz-tagging-directive: REPLACE", "x-amz-trailer: x-amz-checksum-crc32", "x-amz-checksum-crc32: AAAAAA==", "x-amz-checksum-algorithm: CRC32",
		"x-amz-checksum-type: COMPOSITE", "x-amz-checksum-mode: ENABLED", "x-amz-sdk-checksum-algorithm: CRC32", "x-amz-mp-object-size: 3",
		"x-amz-expected-bucket-owner: 1", "x-amz-request-payer: requester", "x-amz-decoded-content-length: 3", "x-amz-anything-else: 1",
	}
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			if op.copies && name == "x-amz-copy-source" {
				continue // a second value of a signed header changes what was signed
			}
			for _, f := range []form{formHashed, formPresigned} {
				r := s.sampleRequest(p)
				s.signer.sign(r, f, p.body)
				r.Header.Add(name, value)
				a := s.send(r)
				if a.status != 403 || op.method != http.MethodHead && (a.code() != "AccessDenied" || !strings.Contains(string(a.body), name)) {
					t.Errorf("%s, %s: %s", f, name, a)
				}
			}
		}
		for _, value := range []string{
			"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
			"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "",
		} {
			r := s.sampleRequest(p)
			s.signer.sign(r, formPresigned, p.body)
			r.Header["X-Amz-Content-Sha256"] = []string{value}
			if a := s.send(r); a.status < 400 || a.status == 500 {
				t.Errorf("presigned with an unsigned %q: %s", value, a)
			}
		}
		if s.backend.touched() {
			t.Error("the backend was touched")
		}
	})
}

// TestEveryRouteNeedsPermission runs each row as somebody who may do everything elsewhere and nothing here.
func TestEveryRouteNeedsPermission(t *testing.T) {
	s := newSite(t, siteOptions{grants: []auth.Grant{{Buckets: []string{"elsewhere"}, Actions: everything()[0].Actions}}})
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		for _, f := range allForms() {
			r := s.sampleRequest(p)
			if op.name == "DeleteObjects" {
				r.Header.Set("Content-Md5", base64MD5(p.body))
			}
			s.signer.sign(r, f, p.body)
			a := s.send(r)
			switch {
			case op.name == "ListBuckets":
				if a.status != 200 || strings.Contains(string(a.body), testBucket) {
					t.Errorf("%s: %s", f, a)
				}
				s.backend.reads.Store(0)
			case op.name == "WriteGetObjectResponse": // refused to everyone
				s.want(a, 501, "NotImplemented")
			case a.status != 403 || op.method != http.MethodHead && a.code() != "AccessDenied":
				t.Errorf("%s: %s", f, a)
			}
			if s.backend.touched() {
				t.Errorf("%s: the backend was touched", f)
			}
		}
	})
}

// TestEveryRouteAsksForItsOwnPermission grants, for each row, that one action, and then all the others.
func TestEveryRouteAsksForItsOwnPermission(t *testing.T) {
	needs := func(op *operation) auth.Action {
		switch {
		case op.scope == serviceScope:
			return auth.None
		case op.name == "CreateBucket":
			return auth.CreateBucket
		case strings.HasPrefix(op.name, "DeleteObject") && op.handle != nil, op.name == "DeleteBucket":
			return auth.Delete
		case op.scope == bucketScope && (op.method == http.MethodGet || op.method == http.MethodHead):
			return auth.List
		case op.name == "ListParts":
			return auth.Write
		case op.method == http.MethodGet || op.method == http.MethodHead || op.name == "SelectObjectContent":
			return auth.Read
		}
		return auth.Write
	}
	all := everything()[0].Actions
	sites := map[auth.Action][2]*site{}
	for _, a := range all {
		others := slices.DeleteFunc(slices.Clone(all), func(other auth.Action) bool { return other == a })
		for i, actions := range [][]auth.Action{{a}, others} {
			pair := sites[a]
			pair[i] = newSite(t, siteOptions{grants: []auth.Grant{{Buckets: []string{"*"}, Actions: actions}}})
			sites[a] = pair
		}
	}
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		action := needs(op)
		if action == auth.None || op.action == perKey {
			return
		}
		if op.copies {
			p.headers = []string{"x-amz-copy-source: /" + testBucket + "/source", "x-amz-copy-source-if-match: x"}
		}
		send := func(s *site) *answer {
			t.Helper()
			r := s.sampleRequest(p)
			s.signer.sign(r, formHashed, p.body)
			return s.send(r)
		}
		if a := send(sites[action][0]); (a.status == 403) != op.copies { // a copy also needs to read
			t.Errorf("with nothing but %v: %s", action, a)
		}
		if a := send(sites[action][1]); a.status != 403 {
			t.Errorf("with everything but %v: %s", action, a)
		}
	})
}

// TestEveryRouteTakesEveryForm is the other half: with the right signature no form of signing is turned away, on any row.
func TestEveryRouteTakesEveryForm(t *testing.T) {
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		s := newSite(t, siteOptions{})
		for _, f := range allForms() {
			s.put("source", []byte("source"))
			r := s.sampleRequest(p)
			if op.name == "DeleteObjects" && (f == formHashed || f == formUnsigned || f == formPresigned || f == formStreaming) {
				r.Header.Set("Content-Md5", base64MD5(p.body))
			}
			s.signer.sign(r, f, p.body)
			a := s.send(r)
			if a.status == 403 || a.status == 500 || (a.status == 501) != (op.handle == nil) {
				t.Errorf("%s: %s", f, a)
			}
			if strings.HasPrefix(op.name, "DeleteBucket") && a.status == 204 {
				s.want(s.ask(http.MethodPut, "/"+testBucket, nil), 200, "")
			}
		}
	})
}

// TestNoBodyIsAskedForBeforeAuthorisation is O7: a client that waits for 100 Continue is told no instead.
func TestNoBodyIsAskedForBeforeAuthorisation(t *testing.T) {
	allowed := newSite(t, siteOptions{})
	denied := newSite(t, siteOptions{grants: []auth.Grant{{Buckets: []string{"elsewhere"}, Actions: []auth.Action{auth.Read}}}})
	eachRow(t, func(t *testing.T, op *operation, p sample) {
		if op.body == noBody || op.handle == nil {
			return
		}
		firstLine := func(s *site, secretKey string) string {
			t.Helper()
			r := s.sampleRequest(p)
			signer := s.signer
			signer.secretKey = secretKey
			if op.name == "DeleteObjects" {
				r.Header.Set("Content-Md5", base64MD5(p.body))
			}
			signer.sign(r, formHashed, append(p.body, "<x/>"...))
			r.Header.Set("Expect", "100-continue")
			return exchangeHead(t, s, r)
		}
		if line := firstLine(allowed, testSecret+"x"); !strings.Contains(line, " 403 ") {
			t.Errorf("wrong signature: %q", line)
		}
		if line := firstLine(denied, testSecret); !strings.Contains(line, " 403 ") {
			t.Errorf("no permission: %q", line)
		}
		if line := firstLine(allowed, testSecret); op.name != "CompleteMultipartUpload" && op.name != "UploadPart" && !strings.Contains(line, " 100 ") {
			t.Errorf("allowed: %q", line)
		}
	})
}

// exchangeHead sends the head of a request only and returns the first line of what comes back.
func exchangeHead(t *testing.T, s *site, r *http.Request) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.URL.Host, r.ContentLength)
	if err := r.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	head.WriteString("\r\n")
	if _, err := conn.Write(head.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return line
}

// TestTableIsSound holds the table to what the steps before it rely on.
func TestTableIsSound(t *testing.T) {
	rows := operations()
	router := newRouter()
	names := map[string]bool{}
	for i := range rows {
		op := &rows[i]
		if names[op.name] {
			t.Errorf("%s is there twice", op.name)
		}
		names[op.name] = true
		if op.action == auth.None && op.scope != serviceScope {
			t.Errorf("%s has no action, so everybody may", op.name)
		}
		if op.action == perKey && op.name != "DeleteObjects" {
			t.Errorf("%s is not authorised by the table", op.name)
		}
		if op.action == auth.None && op.name != "ListBuckets" && op.handle != nil {
			t.Errorf("%s has no action", op.name)
		}
		q := parameters{}
		for _, name := range op.selectors {
			q[name] = ""
		}
		found, err := router.find(op.method, op.scope, q, op.copies)
		if err != nil || found.name != op.name {
			t.Errorf("%s is not found by its own selectors: %v %v", op.name, found, err)
		}
		for j := range rows[:i] {
			other := &rows[j]
			if other.method == op.method && other.scope == op.scope && sameNames(other.selectors, op.selectors) && other.copies == op.copies {
				t.Errorf("%s and %s match the same requests", op.name, other.name)
			}
		}
	}
}
