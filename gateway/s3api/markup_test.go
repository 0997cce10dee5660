package s3api

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"sallyport/gateway/auth"
)

func TestCheckMarkup(t *testing.T) {
	limits := markupLimits{tag: 20, attributes: 2, count: 4}
	for document, ok := range map[string]bool{
		"": true, "text": true, "<a></a>": true, "<a/><b/><c/><d/>": true, "<a/><b/><c/><d/><e/>": false, "<a/><!----><![CDATA[]]><?p?>": true, "<a/><!----><![CDATA[]]><?p?></a>": false,
		"<a b='1' c='2'/>": true, "<a b='' c='' d=''/>": false, "<a b='===='/>": true, "<a b='> > > ' />": true, "<a b='\"'c=\"'\"/>": true,
		"<" + strings.Repeat("a", 18) + ">": true, "<" + strings.Repeat("a", 19) + ">": false, "</" + strings.Repeat("a", 17) + ">": true, "</" + strings.Repeat("a", 18) + ">": false,
		"<?" + strings.Repeat("p", 16) + "?>": true, "<?" + strings.Repeat("p", 17) + "?>": false,
		"<!--" + strings.Repeat("<c d='", 99) + "-->": true, "<![CDATA[" + strings.Repeat("<c d='", 99) + "]]>": true,
		"<!DOCTYPE a>": false, "<!>": false, "<![INCLUDE[": false, "<a <b>": false, "<a b='<'>": false,
		"<": false, "<a": false, "<a b='>": false, "<!--": false, "<!---": false, "<![CDATA[ ]>": false, "<?p >": false,
	} {
		if err := checkMarkup([]byte(document), limits); (err == nil) != ok {
			t.Errorf("%q: %v", document, err)
		}
	}
}

// parseFactor times the document, and parseFloor for its elements where the document is short, is what parsing allocates at most, all garbage included.
const (
	parseFactor = 40
	parseFloor  = 64 << 10
)

// TestParsingCostsWhatTheDocumentIs: whoever has an access key can send any document, so no byte of one may cost much more than another. What is cheap
// to write and dear to hold is refused before it is parsed.
func TestParsingCostsWhatTheDocumentIs(t *testing.T) {
	fill := func(begin, unit, end string, size int) []byte {
		return append(append([]byte(begin), bytes.Repeat([]byte(unit), (size-len(begin)-len(end))/len(unit))...), end...)
	}
	const object = "><Object><Key>k</Key></Object></Delete>"
	for name, unit := range map[string][3]string{
		"attributes of one tag":      {"<Delete ", `a="" `, object},
		"names without value":        {"<Delete ", `a `, object},
		"a long attribute":           {"<Delete a='", "x", "'" + object},
		"a long name":                {"<Delete", "x", "/>"},
		"a long end":                 {"<Delete></Delete", " ", ">"},
		"attributes of many tags":    {"<Delete>", `<a b="" c="" d="" e="" f="" g="" h="" i=""/>`, "</Delete>"},
		"namespaces":                 {"<Delete>", `<a xmlns:b="x" xmlns:c="y"></a>`, "</Delete>"},
		"elements":                   {"<Delete>", "<a/>", "</Delete>"},
		"elements with text":         {"<Delete>", "<Object><Key>k</Key></Object>", "</Delete>"},
		"elements inside of another": {"", "<a>", ""},
		"comments":                   {"<Delete>", "<!---->", "</Delete>"},
		"text cut by comments":       {"<Delete>", "x<!---->", "</Delete>"},
		"one comment":                {"<Delete><!--", "x", "--></Delete>"},
		"sections":                   {"<Delete>", "<![CDATA[]]>", "</Delete>"},
		"text":                       {"<Delete>", "x", "</Delete>"},
		"entities":                   {"<Delete>", "&lt;", "</Delete>"},
		"declarations":               {"", "<?xml?>", "<Delete/>"},
		"a document type":            {"<!DOCTYPE a [", "<!ENTITY a ''>", "]><Delete/>"},
		"brackets":                   {"", "<", ""},
	} {
		for _, size := range []int{4 << 10, 320 << 10, maxLargeDocument} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				data := fill(unit[0], unit[1], unit[2], size)
				for what, parse := range map[string]func(){
					"Delete":   func() { _, _, _ = parseDelete(data) },
					"Complete": func() { _, _ = parseComplete(data) },
				} {
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					parse()
					runtime.ReadMemStats(&after)
					used := after.TotalAlloc - before.TotalAlloc
					t.Logf("%s: %d bytes took %d: %.1f", what, len(data), used, float64(used)/float64(len(data)))
					if used > parseFactor*uint64(len(data))+parseFloor {
						t.Errorf("%s: a document of %d bytes took %d to parse", what, len(data), used)
					}
				}
			})
		}
	}
}

// TestDeleteOfNothingReadsNothing: for who may delete nothing in the bucket there is nothing to read a list of keys for.
func TestDeleteOfNothingReadsNothing(t *testing.T) {
	body := []byte("<Delete><Object><Key>home/k</Key></Object><Object><Key>k</Key></Object></Delete>")
	ask := func(grants ...auth.Grant) (*site, *answer) {
		s := newSite(t, siteOptions{grants: grants})
		l := s.handler.(*handler).requests
		other, err := l.enter(t.Context(), "another key", l.limit.bytes-requestMemory-documentMemory(int64(len(body)))+1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(other.leave)
		return s, s.ask(http.MethodPost, "/"+testBucket+"?delete", body, "Content-Md5: "+base64MD5(body))
	}
	s, a := ask(auth.Grant{Buckets: []string{"*"}, Actions: []auth.Action{auth.Read, auth.Write, auth.List, auth.CreateBucket}},
		auth.Grant{Buckets: []string{"other"}, Actions: []auth.Action{auth.Delete}})
	s.want(a, http.StatusForbidden, "AccessDenied")
	s, a = ask(auth.Grant{Buckets: []string{testBucket}, Prefixes: []string{"home/"}, Actions: []auth.Action{auth.Delete}})
	s.want(a, http.StatusServiceUnavailable, "SlowDown") // there is no room to read it in: it was about to be
}
