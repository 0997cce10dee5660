package objects

import (
	"testing"

	"sallyport/gateway/cache"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
)

// TestOpenUploadsAreCounted: every way in which an upload begins and ends shows, a repeated end does not, and what other gateways do
// shows with the next sweep.
func TestOpenUploadsAreCounted(t *testing.T) {
	w := newWorld(t, worldOptions{})
	metrics := telemetry.NewMetrics("test")
	w.Service = New(&Options{Vaults: vaults.NewSet(nil, w.vault), Cache: cache.New(&cache.Options{}), Metrics: metrics})
	other := w.again()
	want := func(what string, n float64) {
		t.Helper()
		if got := shownOpenUploads(t, metrics); got != n {
			t.Errorf("%s: %v uploads are said to be open, want %v", what, got, n)
		}
	}
	sweep := func() {
		t.Helper()
		if _, err := w.SweepUploads(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	want("nothing yet", 0)
	one, two, three := w.begin("one"), w.begin("two"), w.begin("three")
	want("three begun", 3)
	part := w.part("one", one, 1, content(1, 100))
	for range 2 {
		if _, err := w.tryComplete("one", one, part); err != nil {
			t.Fatal(err)
		}
		want("completed, and once more", 2)
	}
	for range 2 {
		at := ref("two", two)
		if err := w.AbortUpload(t.Context(), &AbortInput{UploadRef: at}); err != nil && kindOf(err) != NoSuchUpload {
			t.Fatal(err)
		}
		want("aborted, and once more", 1)
	}
	sweep()
	want("after a sweep, with a completed one still noted", 1)

	strange := other.begin("strange")
	at := ref("three", three)
	if err := other.AbortUpload(t.Context(), &AbortInput{UploadRef: at}); err != nil {
		t.Fatal(err)
	}
	at = ref("strange", strange)
	other.begin("more")
	want("what the other gateway did is not seen at once", 1)
	sweep()
	want("it is after a sweep", 2)
	other.begin("late")
	if err := w.AbortUpload(t.Context(), &AbortInput{UploadRef: at}); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "one"}); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteBucket(t.Context(), bucketName); err != nil {
		t.Fatal(err)
	}
	want("the bucket is deleted with two open uploads, of one of which nothing was known", 0)
}

func shownOpenUploads(t *testing.T, metrics *telemetry.Metrics) float64 {
	t.Helper()
	families, err := metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "sallyport_open_uploads" && len(f.GetMetric()) == 1 {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}
