package s3

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sallyport/providers/driver"
)

// storedPages are pages as services send them: those of MinIO are its own, byte for byte; Amazon's is composed of what its answers hold.
func storedPages(tb testing.TB) map[string]string {
	tb.Helper()
	paths, err := filepath.Glob("testdata/listpages/*.xml")
	if err != nil || len(paths) == 0 {
		tb.Fatal("no pages were found: ", err)
	}
	pages := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		pages[strings.TrimSuffix(filepath.Base(path), ".xml")] = string(text)
	}
	return pages
}

// writtenPage is a page with inner in it.
func writtenPage(inner string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + inner + `</ListBucketResult>`
}

// usualPages must be parsed without encoding/xml, or lists are slow again.
func usualPages() []string {
	return []string{
		writtenPage(""),
		"<ListBucketResult></ListBucketResult>",
		`<ListBucketResult xmlns="">` + "\n\t</ListBucketResult>",
		writtenPage("<Prefix/><Delimiter/><Contents><Key/><Owner/></Contents><Contents/><CommonPrefixes/><EncodingType/>"),
		writtenPage("\n  <IsTruncated>false</IsTruncated>\n  <Contents>\n    <Key>a b</Key>\n    <Size>1</Size>\n  </Contents>\n"),
		// the order of elements, and elements that come again
		writtenPage("<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes><Contents><Size>-1</Size><ETag>x</ETag><Key>a</Key></Contents><EncodingType>url</EncodingType>" +
			"<IsTruncated>true</IsTruncated><CommonPrefixes><Prefix>c/</Prefix><Prefix>d/</Prefix></CommonPrefixes><Contents><Key>a</Key><Key>b</Key></Contents>" +
			"<IsTruncated>false</IsTruncated><EncodingType></EncodingType><NextContinuationToken>t</NextContinuationToken><NextContinuationToken>u</NextContinuationToken>"),
		// what nobody asked for
		writtenPage("<XMLName>x</XMLName><A>text<B>more</B> &amp; more<B><C/></B></A><key>a</key><Contents><Contents><Key>inner</Key></Contents></Contents>"),
		// references, and times of other zones
		writtenPage("<Contents><Key>&amp;&lt;&gt;&quot;&apos;&#38;&#60;&#62;&#34;&#39;&amp;amp;]]&gt;\x7f</Key><LastModified>2025-06-02T07:37:01+02:30</LastModified></Contents>"),
		// what is behind the root is not read
		writtenPage("<Contents><Key>a</Key></Contents>") + "\n<!-- end -->&\x00",
	}
}

// unusualPages are left to encoding/xml, which refuses some of them.
func unusualPages() []string {
	return []string{
		"", "<", "<ListBucketResult", "<ListBucketResult>", "</ListBucketResult>", "<ListBucketResult/>", "<Error></Error>", "<ListBucketResults></ListBucketResults>",
		`<ListBucketResult xmlns="a&amp;b"></ListBucketResult>`, `<ListBucketResult xmlns="a" xmlns:b="c"></ListBucketResult>`, `<ListBucketResult a="b"></ListBucketResult>`,
		`<ListBucketResult xmlns="<"></ListBucketResult>`, "<ListBucketResult xmlns=\"\x01\"></ListBucketResult>", `<a:ListBucketResult xmlns:a="b"></a:ListBucketResult>`,
		`<?xml version="1.1"?><ListBucketResult></ListBucketResult>`, `<?xml version="1.0" encoding="latin1"?><ListBucketResult></ListBucketResult>`,
		"text<ListBucketResult></ListBucketResult>", "<!DOCTYPE x><ListBucketResult></ListBucketResult>", "\ufeff<ListBucketResult></ListBucketResult>",
		writtenPage("text"), writtenPage("<!-- -->"), writtenPage("<?p?>"), writtenPage("<![CDATA[<Contents>]]>"), writtenPage("<>"), writtenPage("</>"), writtenPage("<//>"), writtenPage("<></>"),
		writtenPage("<a:Contents></a:Contents>"), writtenPage(`<Contents a=">"></Contents>`), writtenPage("<Contents ></Contents>"), writtenPage("<Contents></Contents >"),
		writtenPage("<Contents><Key>a</ETag></Contents>"), writtenPage("<Contents><Key>a<Key></Contents>"), `<ListBucketResult xmlns="a></ListBucketResult>`,
		writtenPage("<Contents>"), writtenPage("</Contents>"), writtenPage("<Contents></CommonPrefixes>"), writtenPage("<Unknown></Other>"), writtenPage("<Unknown><Key></Unknown></Key>"),
		writtenPage(strings.Repeat("<A>", maxSkipped+1) + strings.Repeat("</A>", maxSkipped+1)),
		writtenPage("<Contents><Key>a<b>c</b>d</Key></Contents>"), writtenPage("<Contents><Key>a<!-- -->d</Key></Contents>"), writtenPage("<Contents><Key>a<![CDATA[d]]></Key></Contents>"),
		writtenPage("<Contents><Key>\u00fc</Key></Contents>"), writtenPage("<Contents><Key>\xff</Key></Contents>"), writtenPage("<Contents><Key>\uffff</Key></Contents>"),
		writtenPage("<Contents><Key>\x00</Key></Contents>"), writtenPage("<Contents><Key>a\r\nb\rc</Key></Contents>"), writtenPage("<Contents><Key>]]></Key></Contents>"),
		writtenPage("<Contents><Key>&#1;</Key></Contents>"), writtenPage("<Contents><Key>&#x22;&#034;&#97;</Key></Contents>"), writtenPage("<Contents><Key>&amp</Key></Contents>"),
		writtenPage("<Contents><Key>&;</Key></Contents>"), writtenPage("<Contents><Key>& </Key></Contents>"), writtenPage("<Contents><Key>&nbsp;</Key></Contents>"),
		writtenPage("<Unknown>&nbsp;</Unknown>"), writtenPage("<Unknown>\x01</Unknown>"), writtenPage("&#32;"), writtenPage("&amp;"), writtenPage("&nbsp;"),
		writtenPage("<Contents><Size></Size></Contents>"), writtenPage("<Contents><Size> 1 </Size></Contents>"), writtenPage("<Contents><Size>1e3</Size></Contents>"),
		writtenPage("<Contents><Size>9223372036854775808</Size></Contents>"), writtenPage("<Contents><LastModified></LastModified></Contents>"),
		writtenPage("<Contents><LastModified>yesterday</LastModified></Contents>"), writtenPage("<IsTruncated></IsTruncated>"), writtenPage("<IsTruncated> 1 </IsTruncated>"),
	}
}

// checkParsed compares with encoding/xml and reports whether parseUsual answered at all.
func checkParsed(t *testing.T, document string) bool {
	t.Helper()
	given := listAnswer{NextContinuationToken: "as it was"}
	text := []byte(document)
	usual := given.parseUsual(text)
	if string(text) != document {
		t.Fatalf("%q was changed to %q", document, text)
	}
	var want listAnswer
	err := xml.Unmarshal(text, &want)
	switch {
	case !usual && !reflect.DeepEqual(given, listAnswer{NextContinuationToken: "as it was"}):
		t.Fatalf("%q is given up and left as %+v", document, given)
	case usual && err != nil:
		t.Fatalf("%q is read as %+v, but encoding/xml refuses it: %v", document, given, err)
	case usual && !reflect.DeepEqual(given, want):
		t.Fatalf("%q is read as\n%+v, by encoding/xml as\n%+v", document, given, want)
	}
	return usual
}

func TestUsualPagesAreParsed(t *testing.T) {
	for name, document := range storedPages(t) {
		if usual := checkParsed(t, document); usual == strings.HasSuffix(name, "unencoded") {
			t.Errorf("%s: %v", name, usual)
		}
	}
	for _, document := range usualPages() {
		if !checkParsed(t, document) {
			t.Errorf("%q is left to encoding/xml", document)
		}
	}
}

func TestUnusualPagesAreLeftToEncodingXML(t *testing.T) {
	for _, document := range unusualPages() {
		if checkParsed(t, document) {
			t.Errorf("%q is parsed", document)
		}
	}
	// Cut off anywhere, a page is no page.
	for name, document := range storedPages(t) {
		for i := range document {
			if checkParsed(t, document[:i]) {
				t.Fatalf("%s is parsed when cut off at %d", name, i)
			}
		}
	}
}

// Wherever parseUsual answers, encoding/xml reads just the same.
func FuzzListPage(f *testing.F) {
	for _, document := range storedPages(f) {
		f.Add(document)
	}
	for _, document := range append(usualPages(), unusualPages()...) {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document string) { checkParsed(t, document) })
}

// fullPage is a page of 1000 as MinIO sends it.
func fullPage() string {
	var inner strings.Builder
	inner.WriteString("<Name>example-bucket</Name><Prefix>bucket/</Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>")
	for i := range 1000 {
		fmt.Fprintf(&inner, "<Contents><Key>bucket/folder/%d/file-%06d</Key><LastModified>2026-11-30T09:33:27.%03dZ</LastModified><ETag>&#34;%032x&#34;</ETag><Size>%d</Size>"+
			"<StorageClass>STANDARD</StorageClass></Contents>", i/100, i, i, i, 1000+i)
	}
	return writtenPage(inner.String() + "<EncodingType>url</EncodingType>")
}

// A page is read as a usual one wherever an answer is decoded: encoding/xml would make 50 allocations for each object, this makes its strings.
func TestFullPageIsReadWithFewAllocations(t *testing.T) {
	text := []byte(fullPage())
	made := testing.AllocsPerRun(3, func() {
		if err := decode(text, &listAnswer{}); err != nil {
			t.Fatal(err)
		}
	})
	if made > 5000 {
		t.Errorf("%v allocations for 1000 objects", made)
	}
}

func BenchmarkDecodeListPage(b *testing.B) {
	text := []byte(fullPage())
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		page := &listAnswer{}
		if err := decode(text, page); err != nil || len(page.Contents) != 1000 {
			b.Fatal(len(page.Contents), err)
		}
	}
}

func BenchmarkList(b *testing.B) {
	text := fullPage()
	bucket, _ := hostile(b, http.StatusOK, func(int) string { return text })
	b.ReportAllocs()
	for b.Loop() {
		page, err := bucket.List(b.Context(), &driver.ListOptions{Prefix: "bucket/", Limit: 1000})
		if err != nil || len(page.Entries) != 1000 {
			b.Fatal(err)
		}
	}
}
