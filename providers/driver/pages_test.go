package driver_test

import (
	"slices"
	"testing"

	"sallyport/providers/driver"
)

func TestPageSize(t *testing.T) {
	for limit, want := range map[int]int{-1: 1000, 0: 1000, 1: 1, 999: 999, 1000: 1000, 1001: 1000} {
		if got := (&driver.ListOptions{Limit: limit}).PageSize(); got != want {
			t.Errorf("limit %d: %d", limit, got)
		}
		if got := (&driver.ListUploadsOptions{Limit: limit}).PageSize(); got != want {
			t.Errorf("uploads, limit %d: %d", limit, got)
		}
	}
}

func TestWantedUploads(t *testing.T) {
	all := []driver.Upload{{ID: "1", Key: "a"}, {ID: "2", Key: "a"}, {ID: "0", Key: "a/b"}, {ID: "9", Key: "b"}}
	if !slices.IsSortedFunc(all, driver.Upload.Compare) || all[0].Compare(all[0]) != 0 || all[1].Compare(all[0]) <= 0 || all[2].Compare(all[1]) <= 0 {
		t.Error("not in order of key, then of id")
	}
	for opts, want := range map[driver.ListUploadsOptions]string{
		{}:                                  "1209",
		{Prefix: "a"}:                       "120",
		{Prefix: "a/"}:                      "0",
		{Prefix: "c"}:                       "",
		{After: "a"}:                        "09",
		{After: "a", UploadAfter: "1"}:      "209",
		{After: "a", UploadAfter: "2"}:      "09",
		{After: "a", UploadAfter: "0"}:      "1209",
		{UploadAfter: "5"}:                  "1209",
		{Prefix: "a", After: "a/b"}:         "",
		{After: "a/a", UploadAfter: "9"}:    "09",
		{Prefix: "b", After: "a"}:           "9",
		{After: "b", UploadAfter: "9"}:      "",
		{After: "b", UploadAfter: "8"}:      "9",
		{Prefix: "a", After: "b"}:           "",
		{Prefix: "a/", UploadAfter: "none"}: "0",
	} {
		got := ""
		for _, up := range all {
			if opts.Wants(up) {
				got += up.ID
			}
		}
		if got != want {
			t.Errorf("%+v wants %q, not %q", opts, got, want)
		}
	}
}
