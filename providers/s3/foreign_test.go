package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
)

// What stands before a service and answers in its place has deleted nothing, and knows of no object that is absent.
func TestForeignAnswersAreNotBelieved(t *testing.T) {
	s := newService(t, false)
	var answer atomic.Pointer[func(http.ResponseWriter)]
	withIDs := true
	before := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := answer.Load(); a != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			(*a)(w)
			return
		}
		if withIDs {
			s.ServeHTTP(w, r)
			return
		}
		recorded := httptest.NewRecorder()
		s.ServeHTTP(recorded, r)
		for name, values := range recorded.Header() {
			if name != "X-Amz-Request-Id" {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(recorded.Code)
		_, _ = recorded.Body.WriteTo(w)
	}))
	defer before.Close()
	page := func(status int, text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	const signIn = `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>Please sign in.</body></html>`
	calls := map[string]func(d *s3.Bucket) error{
		"Head": func(d *s3.Bucket) error { _, err := d.Head(t.Context(), "k"); return err },
		"Get":  func(d *s3.Bucket) error { _, err := get(t.Context(), d, "k"); return err },
		"List": func(d *s3.Bucket) error { _, err := d.List(t.Context(), &driver.ListOptions{}); return err },
		"Put": func(d *s3.Bucket) error {
			_, err := d.Put(t.Context(), "k", strings.NewReader("new"), 3, &driver.PutOptions{})
			return err
		},
		"Delete":          func(d *s3.Bucket) error { return d.Delete(t.Context(), "k", &driver.DeleteOptions{}) },
		"Delete if match": func(d *s3.Bucket) error { return d.Delete(t.Context(), "k", &driver.DeleteOptions{IfMatch: "x"}) },
		"Uploads.Create":  func(d *s3.Bucket) error { _, err := d.Uploads().Create(t.Context(), "k", nil); return err },
		"Uploads.Abort":   func(d *s3.Bucket) error { return d.Uploads().Abort(t.Context(), driver.Upload{ID: "id", Key: "k"}) },
		"Uploads.Read": func(d *s3.Bucket) error {
			_, _, err := d.Uploads().Read(t.Context(), driver.Upload{ID: "id", Key: "k"})
			return err
		},
		"Uploads.Complete": func(d *s3.Bucket) error {
			_, err := d.Uploads().Complete(t.Context(), driver.Upload{ID: "id", Key: "k"}, []driver.Part{{N: 1, ETag: "x"}}, &driver.PutOptions{})
			return err
		},
	}
	for _, withIDs = range []bool{true, false} {
		config := s.config
		config.Endpoint = before.URL
		d, err := s3.Open(t.Context(), &config, &s3.Options{Probe: &perfect})
		if err != nil {
			t.Fatal(err)
		}
		put(t, d, "k", []byte("old"))
		for what, a := range map[string]func(http.ResponseWriter){
			"404": page(404, "404 page not found\n"), "404 without a word": page(404, ""), "200": page(200, signIn), "200 without a word": page(200, ""),
		} {
			for name, call := range calls {
				told := name == "List" || what == "200" && strings.HasPrefix(name, "Delete")
				if !withIDs && (name == "Head" && strings.HasPrefix(what, "404") || !told && strings.HasPrefix(what, "200")) {
					continue // nothing tells it from the service's own
				}
				answer.Store(&a)
				err := call(d)
				answer.Store(nil)
				wantKind(t, name+" answered "+what, err, driver.Unavailable, driver.UnknownOutcome)
				if err != nil && !strings.Contains(err.Error(), "what stands before it") {
					t.Errorf("%s answered %s: %v does not say what to look at", name, what, err)
				}
			}
		}
		if got, err := get(t.Context(), d, "k"); string(got) != "old" {
			t.Errorf("%q, %v", got, err)
		}
		_ = d.Close()
	}
}
