package providers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/drivertest"
	"sallyport/providers/mem"
)

func TestCommitsConforms(t *testing.T) {
	drivertest.Run(t, over(mem.Options{}, providers.Commits))
}

func TestCommitsUnderFaults(t *testing.T) {
	opts := mem.Options{}
	drivertest.RunFaults(t, providers.Commits, drivertest.FaultOptions{Mem: opts})
}

// slow is a backend that works on every change for a while after it has all of it, and gives up when its client leaves, as MinIO does.
type slow struct {
	driver.Driver
	takes   time.Duration
	waiting chan struct{} // gets one for each change that is being worked on
	value   any           // what the last change's ctx holds for ctxKey
}

type ctxKey struct{}

func newSlow(takes time.Duration) *slow {
	return &slow{Driver: mem.New(&mem.Options{}), takes: takes, waiting: make(chan struct{}, 10)}
}

var errAbandoned = errors.New("the client has left")

func (s *slow) work(ctx context.Context, op, key string) error {
	s.value = ctx.Value(ctxKey{})
	s.waiting <- struct{}{}
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return &driver.Error{Kind: driver.UnknownOutcome, Op: op, Key: key, Err: errAbandoned}
	}
}

func (s *slow) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	data, err := io.ReadAll(driver.ExactBody(body, size))
	if err != nil {
		kind := driver.BadBody
		if ctx.Err() != nil {
			kind = driver.Canceled
		}
		return nil, &driver.Error{Kind: kind, Op: "Put", Key: key, Err: err}
	}
	if err := s.work(ctx, "Put", key); err != nil {
		return nil, err
	}
	return s.Driver.Put(ctx, key, bytes.NewReader(data), size, opts)
}

func (s *slow) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	if err := s.work(ctx, "Delete", key); err != nil {
		return err
	}
	return s.Driver.Delete(ctx, key, opts)
}

func (s *slow) Uploads() driver.Uploads { return slowUploads{s.Driver.Uploads(), s} }

type slowUploads struct {
	driver.Uploads
	s *slow
}

func (u slowUploads) Complete(ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	if err := u.s.work(ctx, "Uploads.Complete", up.Key); err != nil {
		return nil, err
	}
	return u.Uploads.Complete(ctx, up, parts, opts)
}

func plantOld(t *testing.T, d driver.Driver) *driver.Info {
	t.Helper()
	info, err := d.Put(t.Context(), "k", strings.NewReader("old"), 3, &driver.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// changesOf are the changes that end with one step which must not be cut, each on the object "k", which has old bytes.
func changesOf(t *testing.T, below driver.Driver) map[string]func(ctx context.Context, s *providers.Store) error {
	return map[string]func(ctx context.Context, s *providers.Store) error{
		"Put": func(ctx context.Context, s *providers.Store) error {
			_, err := s.Put(ctx, "k", iotest.OneByteReader(bytes.NewReader([]byte("new"))), 3, nil)
			return err
		},
		"long Put": func(ctx context.Context, s *providers.Store) error {
			_, err := s.Put(ctx, "k", unseekable{bytes.NewReader(make([]byte, 2<<20))}, 2<<20, nil)
			return err
		},
		"empty Put": func(ctx context.Context, s *providers.Store) error {
			_, err := s.Put(ctx, "k", bytes.NewReader(nil), 0, nil)
			return err
		},
		"split Put": func(ctx context.Context, s *providers.Store) error {
			_, err := s.Put(ctx, "k", unseekable{bytes.NewReader(make([]byte, 6<<20))}, 6<<20, nil)
			return err
		},
		"Delete": func(ctx context.Context, s *providers.Store) error { return s.Delete(ctx, "k", nil) },
		"Complete": func(ctx context.Context, s *providers.Store) error {
			up := driver.Upload{Key: "k"}
			var err error
			if up.ID, err = below.Uploads().Create(t.Context(), "k", nil); err != nil {
				return err
			}
			part, err := below.Uploads().PutPart(t.Context(), up, 1, bytes.NewReader([]byte("part")), 4)
			if err != nil {
				return err
			}
			_, err = s.Uploads().Complete(ctx, up, []driver.Part{*part}, nil)
			return err
		},
	}
}

// TestCommitsOutliveTheirClients: the client leaves when only the backend's answer is awaited. The backend must see the request through to its
// end, and the outcome is clear.
func TestCommitsOutliveTheirClients(t *testing.T) {
	for _, name := range []string{"Put", "long Put", "empty Put", "split Put", "Delete", "Complete"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				grace := providers.CommitGrace
				if name == "split Put" || name == "Complete" {
					grace = providers.CompleteGrace
				}
				for takes, want := range map[time.Duration]error{grace - 1: nil, grace + 1: errAbandoned} {
					below := newSlow(takes)
					below.Driver = mem.New(&mem.Options{SplitAbove: 5 << 20})
					old := plantOld(t, below.Driver)
					store := providers.Open("test", below, nil)
					ctx, cancel := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, name))
					began := time.Now()
					go func() {
						<-below.waiting
						cancel()
					}()
					err := changesOf(t, below.Driver)[name](ctx, store)
					cancel()
					now, headErr := below.Driver.Head(t.Context(), "k")
					changed := headErr != nil || now.ETag != old.ETag
					if !errors.Is(err, want) || changed != (want == nil) {
						t.Errorf("the backend takes %s: %v, changed %v", takes, err, changed)
					}
					if took := time.Since(began); took > grace {
						t.Errorf("the backend takes %s: the call took %s", takes, took)
					}
					if below.value != name {
						t.Errorf("the values of ctx are lost: %v", below.value)
					}
					synctest.Wait() // what was waiting for the client or the grace has ended; the bubble fails otherwise
				}
			})
		})
	}
}

// TestClientLeavesInTheMiddleOfItsBody: until the body has ended nothing is committed, and the old object stays.
func TestClientLeavesInTheMiddleOfItsBody(t *testing.T) {
	for _, size := range []int64{1000, 2 << 20, 6 << 20} {
		for _, left := range []int64{1, 900} {
			synctest.Test(t, func(t *testing.T) {
				below := newSlow(time.Second)
				below.Driver = mem.New(&mem.Options{SplitAbove: 5 << 20})
				old := plantOld(t, below.Driver)
				store := providers.Open("test", below, nil)
				ctx, cancel := context.WithCancel(t.Context())
				body := io.MultiReader(io.LimitReader(zeroes{}, size-left), callOnce{cancel}, io.LimitReader(zeroes{}, left))
				_, err := store.Put(ctx, "k", body, size, nil)
				if !driver.Is(err, driver.Canceled) {
					t.Errorf("%d bytes, %d before the end: %v", size, left, err)
				}
				if now, err := below.Driver.Head(t.Context(), "k"); err != nil || now.ETag != old.ETag {
					t.Errorf("%d bytes, %d before the end: the object is %+v, %v", size, left, now, err)
				}
				if len(below.waiting) > 0 {
					t.Errorf("%d bytes, %d before the end: the backend had the whole body", size, left)
				}
			})
		}
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// callOnce is a reader without bytes that does something when it is come to.
type callOnce struct{ call func() }

func (c callOnce) Read([]byte) (int, error) {
	c.call()
	return 0, io.EOF
}

// TestDeadlinesHoldForCommits: who bounds a call by a deadline is not kept waiting for longer, also when the call was cancelled before.
func TestDeadlinesHoldForCommits(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := providers.Open("test", newSlow(time.Hour), nil)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if leaves {
				time.AfterFunc(time.Second, cancel)
			}
			if err := store.Delete(ctx, "k", nil); !driver.Is(err, driver.UnknownOutcome) {
				t.Error(err)
			}
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("leaves %v: the call took %s", leaves, took)
			}
		})
	}
}

// TestCommitsAreNotBegunForThoseWhoLeft: a change that has not begun is not begun.
func TestCommitsAreNotBegunForThoseWhoLeft(t *testing.T) {
	below := newSlow(0)
	old := plantOld(t, below.Driver)
	store := providers.Open("test", providers.Commits(below.Driver), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, change := range changesOf(t, below.Driver) {
		if err := change(ctx, store); !driver.Is(err, driver.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now, err := below.Driver.Head(t.Context(), "k"); err != nil || now.ETag != old.ETag {
		t.Errorf("the object was changed: %+v, %v", now, err)
	}
}
