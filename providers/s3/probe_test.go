package s3_test

import (
	"net/http"
	"strings"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
	"sallyport/providers/s3/internal/awslike"
)

// Probing services that lack something finds it, and leaves nothing.
func TestProbeFindsWhatIsMissing(t *testing.T) {
	for lacks, lost := range map[string]func(p *s3.Probe) *bool{
		"":            nil,
		"put-if":      func(p *s3.Probe) *bool { return &p.CreateIfAbsent },
		"complete-if": func(p *s3.Probe) *bool { return &p.CompleteIfMatch },
		"delete-if":   func(p *s3.Probe) *bool { return &p.ConditionalDelete },
		"suffix":      func(p *s3.Probe) *bool { return &p.SuffixRange },
		"long-suffix": func(p *s3.Probe) *bool { return &p.SuffixRange },
		"names":       func(p *s3.Probe) *bool { return &p.MixesNames },
		"slash-end":   func(p *s3.Probe) *bool { return &p.NoSlashAtEnd },
		"races":       func(p *s3.Probe) *bool { return &p.CreateIfAbsent },
	} {
		s := newService(t, false)
		s.Lacks = []string{lacks}
		d := s.open(t, func(c *s3.Config) { c.Prefix = "in/a/folder" }, &s3.Options{})
		found := d.Probe()
		want := perfect
		if lost != nil {
			*lost(&want) = !*lost(&want)
		}
		switch lacks {
		case "put-if", "races":
			want.ReplaceIfMatch = false
		case "complete-if":
			want.CompleteIfAbsent = false
		}
		found.At = want.At
		if found != want {
			t.Errorf("lacking %q: %+v", lacks, found)
		}
		if caps := d.Capabilities(); caps.PutIfNoneMatch != want.CreateIfAbsent || caps.ConditionalDelete != want.ConditionalDelete || caps.CompleteIfMatch != want.CompleteIfMatch {
			t.Errorf("lacking %q: %+v", lacks, caps)
		}
		if names := s.Names(); len(names) > 0 || s.Uploads() > 0 {
			t.Errorf("the probe left %q and %d uploads", names, s.Uploads())
		}
		if shared := lacks != "put-if" && lacks != "complete-if" && lacks != "races"; found.Shared() != shared {
			t.Errorf("lacking %q: shared %v", lacks, found.Shared())
		}
	}
}

// A service that keeps objects in folders refuses a/b while a exists, each in its own words.
func TestProbeFindsFolders(t *testing.T) {
	for _, refusal := range []awslike.Fault{
		{Status: 409, Code: "ObjectParentIsFile"}, {Status: 409, Code: "Conflict"}, {Status: 400, Code: "XMinioParentIsObject"}, {Status: 403, Code: "AccessDenied"},
	} {
		s := newService(t, false)
		s.fails(func(r *http.Request) awslike.Fault {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "folder/a/b") {
				return refusal
			}
			return awslike.Fault{}
		})
		d := s.open(t, nil, &s3.Options{})
		if found := d.Probe(); !found.FolderClash || !found.Shared() {
			t.Errorf("%s: %+v", refusal.Code, found)
		}
		if strings.Contains(refusal.Code, "Parent") {
			_, err := d.Put(t.Context(), "folder/a/b", strings.NewReader("x"), 1, &driver.PutOptions{})
			wantKind(t, refusal.Code, err, driver.InvalidKey)
		}
	}
}

// What a service would store under another object's name, or nowhere, is refused before anything is sent.
func TestNamesThatAServiceMixesAreRefused(t *testing.T) {
	s := newService(t, false)
	s.Lacks = []string{"names", "slash-end"}
	d := s.open(t, nil, &s3.Options{})
	put(t, d, "a/b", []byte("old"))
	for _, key := range []string{"a//b", "/a", "a/", "a/../b", "a/./b"} {
		_, err := d.Put(t.Context(), key, strings.NewReader("new"), 3, &driver.PutOptions{})
		wantKind(t, key, err, driver.InvalidKey)
	}
	if got, err := get(t.Context(), d, "a/b"); string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	probe := d.Probe()
	if n := len(probe.RefusedNames()); n != 2 {
		t.Errorf("%d kinds of names are told", n)
	}
}

// A probe that is interrupted anywhere fails, claims nothing and leaves nothing that a later list would show as an object.
func TestProbeFailsWithTheService(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	for n := 1; ; n++ {
		i := 0
		s.fails(func(*http.Request) awslike.Fault {
			if i++; i == n {
				return awslike.Fault{Status: 503, Code: "SlowDown"}
			}
			return awslike.Fault{}
		})
		found, err := d.RunProbe(t.Context(), 2, 1)
		if i < n {
			if err != nil {
				t.Errorf("without a fault: %v", err)
			}
			return
		}
		if err == nil {
			found.At = perfect.At
		}
		if err == nil && *found != perfect || err != nil && found != nil { // cleaning up is tried again
			t.Errorf("request %d was throttled and the probe found %+v, %v", n, found, err)
		}
		if names := s.Names(); len(names) > 0 {
			t.Errorf("request %d was throttled and %q were left", n, names)
		}
		if n > 300 {
			t.Fatal("the probe does not end")
		}
	}
}

// What follows from each answer is said, and the least service is not called fit for several gateways.
func TestFindings(t *testing.T) {
	least := s3.Probe{}
	for _, p := range []s3.Probe{perfect, least} {
		good := 0
		for _, f := range p.Findings() {
			if f.Question == "" || f.Follows == "" {
				t.Errorf("%+v", f)
			}
			if f.Good {
				good++
			}
		}
		if n := len(p.Findings()); p == perfect && good != n || p == least && (good != 4 || p.Shared()) {
			t.Errorf("%d of %d are good in %+v", good, n, p)
		}
	}
}
