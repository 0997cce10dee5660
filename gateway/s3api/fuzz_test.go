package s3api

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// mustBeRefusal fails the test if err is not an S3 error of the client's making.
func mustBeRefusal(t *testing.T, err error) {
	t.Helper()
	if f := describe(err); statusOf(f.code) >= 500 && f.code != "NotImplemented" {
		t.Fatalf("%v becomes %s", err, f.code)
	}
}

func FuzzXML(f *testing.F) {
	for _, seed := range []string{
		"<a/>", "<a><b>c</b></a>", "<?xml version=\"1.0\"?><a xmlns=\"x\" y=\"z\">&lt;</a>", "<!DOCTYPE a><a/>", "<a><!-- c --><![CDATA[x]]></a>", "<a>", "</a>", "\ufeff<a/>",
		strings.Repeat("<a>", 50), strings.Repeat("<a>", 9) + strings.Repeat("</a>", 9), "<a>&e;</a>", "<a/><b/>", "x<a/>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := xmlLimits{depth: 5, elements: 20}
		root, err := parseXML(data, limits)
		if err != nil {
			return
		}
		elements := 0
		var walk func(n *node, depth int)
		walk = func(n *node, depth int) {
			if elements++; elements > limits.elements || depth > limits.depth {
				t.Fatal("limits passed")
			}
			if !utf8.ValidString(n.text) || len(n.text) > len(data) {
				t.Fatalf("text %q", n.text)
			}
			for _, child := range n.children {
				walk(child, depth+1)
			}
		}
		walk(root, 1)
	})
}

// FuzzMarkup: whatever encoding/xml accepts, the check in front of it finds the same tags in, and refuses the ones that are too long or too many.
func FuzzMarkup(f *testing.F) {
	for _, seed := range []string{
		"<a/>", "<a b='>' c=\">\"/>", "<a b=\"'\" c='\"'></a >", "<!----><a/>", "<a><!-- <b c='--></a>", "<a><![CDATA[<b c=']]>x</a>", "<?xml version=\"1.0\"?><a/>",
		"<a b='1' c='2' d='3' e='4'/>", "<a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa='x'/>", "<!DOCTYPE a><a/>", "<a><b/><b/><b/><b/><b/><b/><b/></a>", "<a b='='/>", "<?p ' ?><a/>",
		"<a b=1/>", "<a b c/>", "<", "<a", "<!", "<!-", "<![CDATA", "<a b='<'/>", "]]>", "<!--->-->", "<?>?>",
	} {
		f.Add([]byte(seed))
	}
	limits := markupLimits{tag: 40, attributes: 3, count: 12}
	f.Fuzz(func(t *testing.T, data []byte) {
		beyond := false
		markup := 0
		d := xml.NewDecoder(bytes.NewReader(data))
		for {
			begin := d.InputOffset()
			token, err := d.RawToken()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return // the parser refuses it, at the same place or later
			}
			// The second token of <a/> has no bytes of its own.
			length := int(d.InputOffset() - begin)
			if _, text := token.(xml.CharData); !text && length > 0 || bytes.HasPrefix(data[begin:], []byte("<![CDATA[")) {
				markup++
			}
			switch token := token.(type) {
			case xml.StartElement:
				beyond = beyond || length > limits.tag || len(token.Attr) > limits.attributes
			case xml.EndElement, xml.ProcInst:
				beyond = beyond || length > limits.tag
			case xml.Directive:
				beyond = true
			}
		}
		beyond = beyond || markup > limits.count
		if err := checkMarkup(data, limits); (err != nil) != beyond {
			t.Fatalf("%q: %v, want a refusal: %v", data, err, beyond)
		}
	})
}

func FuzzDeleteDocument(f *testing.F) {
	for _, seed := range []string{
		"<Delete><Object><Key>a</Key></Object></Delete>", "<Delete><Quiet>true</Quiet><Object><Key>a</Key><VersionId>null</VersionId><ETag>\"e\"</ETag></Object></Delete>",
		"<Delete/>", "<Delete><Object><Key>&#x1;</Key></Object></Delete>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		deletions, _, err := parseDelete(data)
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		if len(deletions) == 0 || len(deletions) > maxDeletes {
			t.Fatalf("%d keys", len(deletions))
		}
		for _, d := range deletions {
			if d.key == "" {
				t.Fatal("a deletion without key")
			}
		}
	})
}

func FuzzCompleteDocument(f *testing.F) {
	for _, seed := range []string{
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
		"<CompleteMultipartUpload><Part><PartNumber>10000</PartNumber><ETag>\"e\"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>",
		"<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, err := parseComplete(data)
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		if len(parts) == 0 || len(parts) > maxParts {
			t.Fatalf("%d parts", len(parts))
		}
		for _, p := range parts {
			if p.Number < 1 || p.Number > maxParts || p.ETag == "" {
				t.Fatalf("part %+v", p)
			}
		}
	})
}

func FuzzBucketConfiguration(f *testing.F) {
	for _, seed := range []string{"", "<CreateBucketConfiguration/>", "<CreateBucketConfiguration><LocationConstraint>r</LocationConstraint></CreateBucketConfiguration>", "<Tags/>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := checkBucketConfiguration(data, "r"); err != nil {
			mustBeRefusal(t, err)
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-", "bytes=-5", "bytes=3-9", "bytes=9-3", "bytes=0-1,2-3", "bytes=99999999999999999999-", "x", "bytes= 1 - 2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		spec := parseRange(header)
		if spec != nil && (spec.First < 0 || spec.Suffix < 0 || spec.Last < -1 || spec.Last >= 0 && spec.Last < spec.First && !spec.HasSuffix) {
			t.Fatalf("%q: %+v", header, spec)
		}
		if copied, err := parseCopyRange(header); err != nil {
			mustBeRefusal(t, err)
		} else if copied.Last < copied.First || copied.HasSuffix {
			t.Fatalf("%q: %+v", header, copied)
		}
	})
}

func FuzzCopySource(f *testing.F) {
	for _, seed := range []string{"/bucket/key", "bucket/key?versionId=null", "%2Fbucket%2Fkey", "bucket/%", "bucket/a%00", "../bucket/key", "bucket/a?b", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		s, err := parseCopySource(header)
		if err != nil {
			mustBeRefusal(t, err)
			return
		}
		if checkBucketName(s.bucket) != nil || checkKey(s.key) != nil || s.key == "" {
			t.Fatalf("%q: %+v", header, s)
		}
		// What was read, written down again and encoded, is read as the same.
		again, err := parseCopySource((&url.URL{Path: s.bucket + "/" + s.key}).EscapedPath())
		if strings.Contains(s.bucket+"/"+s.key, ":") && err != nil {
			return // EscapedPath may begin with "./" when the first segment has a colon
		}
		if err != nil || again.bucket != s.bucket || again.key != s.key {
			t.Fatalf("%q: %+v, again %+v %v", header, s, again, err)
		}
	})
}

func FuzzTargetAndRoute(f *testing.F) {
	for _, seed := range [][2]string{
		{"GET", "/bucket/key?versionId=null"},
		{"PUT", "/bucket/a%2F..%2Fb?partNumber=1&uploadId=x"},
		{"POST", "/bucket?delete"},
		{"GET", "//x"},
		{"GET", "/bucket/a+b?prefix=a+b&list-type=2"},
		{"DELETE", "/bucket/%ff"},
		{"OPTIONS", "*"},
		{"GET", "/bucket?x-amz-acl=private&X-AMZ-ACL=private"},
	} {
		f.Add(seed[0], seed[1])
	}
	router := newRouter()
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := &http.Request{Method: method, URL: u, Host: "bucket.example.test", Header: http.Header{}}
		for _, domains := range [][]string{nil, {"example.test"}} {
			at, err := parseTarget(r, domains)
			if err != nil {
				mustBeRefusal(t, err)
				continue
			}
			// The key is the path's bytes and nothing else.
			if want := "/" + at.bucket + "/" + at.key; domains == nil && at.key != "" && want != u.Path {
				t.Fatalf("%q: %+v of %q", target, at, u.Path)
			}
			if at.bucket != "" && checkBucketName(at.bucket) != nil || len(at.key) > maxKey {
				t.Fatalf("%q: %+v", target, at)
			}
			q, err := parseQuery(u.RawQuery, 100)
			if err != nil {
				mustBeRefusal(t, err)
				continue
			}
			if _, err := hoistedHeaders(r.Header, q); err != nil {
				mustBeRefusal(t, err)
			}
			op, err := router.find(method, at.scope(), q, false)
			if err != nil {
				mustBeRefusal(t, err)
				continue
			}
			if op.method != method || op.scope != at.scope() {
				t.Fatalf("%s %q is %s", method, target, op.name)
			}
		}
	})
}

// FuzzXMLText: what an answer shows is what a parser reads from it, or nothing at all.
func FuzzXMLText(f *testing.F) {
	for _, seed := range []string{"a", "<&>\"'", "\x01", "\ufffe", "\r\n\t", "é", "\xff", "]]>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := newDocument("R")
		d.text("Key", text)
		var r struct{ Key string }
		err := xml.Unmarshal(d.bytes(), &r)
		if utf8.ValidString(text) && err == nil && r.Key != text {
			t.Fatalf("%q is read as %q", text, r.Key)
		}
		e := newErrorDocument()
		e.text("Key", text)
		if err := xml.Unmarshal(e.bytes(), &r); err != nil {
			t.Fatalf("an error answer does not parse: %v\n%q", err, e.bytes())
		}
		encoded := urlEncode(text)
		if back, err := url.QueryUnescape(encoded); err != nil || back != text {
			t.Fatalf("%q encodes to %q", text, encoded)
		}
		if bytes.ContainsAny([]byte(encoded), " <>&\"") {
			t.Fatalf("%q encodes to %q", text, encoded)
		}
	})
}
