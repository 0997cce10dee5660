package s3api

import (
	"strings"
	"testing"
)

func TestParseXMLBounds(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	limits := xmlLimits{depth: 4, elements: 6}
	for document, ok := range map[string]bool{
		nested(4): true, nested(5): false, "<a>" + strings.Repeat("<b/>", 5) + "</a>": true, "<a>" + strings.Repeat("<b/>", 6) + "</a>": false,
		"<!DOCTYPE a><a/>": false, "<a><!DOCTYPE b></a>": false, "<?xml version=\"1.0\"?><a/>": true, "<?php x?><a/>": false, "<a><?xml-stylesheet x?></a>": false,
		"<a/><a/>": false, "x<a/>": false, "<a/>x": false, " \n<a/>\n": true, "": false, "<a>&lt;&#65;</a>": true, "<a>&e;</a>": false, "<a>\x00</a>": false,
		"<a>\xff</a>": false, "<a></b>": false, "<n:a xmlns:n=\"u\"><n:b/></n:a>": true, "\uFEFF<a/>": true,
	} {
		if _, err := parseXML([]byte(document), limits); (err == nil) != ok {
			t.Errorf("%q: %v", document, err)
		}
	}
	root, err := parseXML([]byte("<a>x<!-- c -->y<![CDATA[<z>]]><b>q</b></a>"), limits)
	if err != nil || root.text != "xy<z>" || len(root.children) != 1 || root.children[0].text != "q" {
		t.Errorf("%+v %v", root, err)
	}
}

func TestCheckKeyAndBucket(t *testing.T) {
	for key, code := range map[string]string{
		"a\x00b": "InvalidArgument", "a\xffb": "InvalidURI", strings.Repeat("k", 1025): "KeyTooLongError", strings.Repeat("k", 1024): "", "../é": "",
	} {
		if err := checkKey(key); (err == nil) != (code == "") || err != nil && describe(err).code != code {
			t.Errorf("%.20q: %v, want %s", key, err, code)
		}
	}
	for _, name := range []string{"abc", "a.b", "a-b", "123", "a.b-c.9", strings.Repeat("b", 63), "192.168.1", "1.2.3.4.5"} {
		if err := checkBucketName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "ab", "Abc", "a_b", ".ab", "ab.", "-ab", "ab-", "a..b", "1.2.3.4", "a/b", "a b", "é-b", "a\x00b", "xn--a", "abc-s3alias", "abc--ol-s3", "abc.mrap"} {
		if checkBucketName(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestDocumentsTogetherAreBounded(t *testing.T) {
	s := newSite(t, siteOptions{})
	l := s.handler.(*handler).requests
	body := []byte("<Delete><Object><Key>k</Key></Object></Delete>")
	ask := func() *answer {
		return s.ask("POST", "/"+testBucket+"?delete", body, "Content-Md5: "+base64MD5(body))
	}
	// There is room for the request, and not for its document.
	other, err := l.enter(t.Context(), "another key", l.limit.bytes-requestMemory-documentMemory(int64(len(body)))+1)
	if err != nil {
		t.Fatal(err)
	}
	s.want(ask(), 503, "SlowDown")
	other.leave()
	s.want(ask(), 200, "")
	// The room is given back when the request ends, which the client may see a moment before.
	if other, err = l.enter(t.Context(), "another key", l.limit.bytes); err != nil {
		t.Error(err)
	}
	other.leave()
}
