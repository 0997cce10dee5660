package providers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/providers/driver"
)

const (
	leastSplitPart = 5 << 20  // bytes; also S3's own minimum
	mostBuffered   = 16 << 20 // bytes; longer parts are streamed, because memory per body is bounded
	mostTail       = 64 << 10 // bytes of the last part that are kept to recognise the object by
	partsInMemory  = 2        // of each body
	cleanUpWithin  = 30 * time.Second
)

// splitter sends one long body as an upload of its own. A part is held in memory until it is stored, so that the layer below can send
// it again; meanwhile the next one is read into a second buffer and sent too. Only a body of more than 160 GB has parts too long for that.
type splitter struct {
	d       driver.Driver
	caps    driver.Capabilities
	least   int64 // bytes of a part
	buffers *partBuffers
}

func newSplitter(d driver.Driver, part int64) splitter {
	if part <= 0 {
		part = leastSplitPart
	}
	caps := d.Capabilities()
	least := max(part, caps.MinPart)
	return splitter{d: d, caps: caps, least: least, buffers: newPartBuffers(least)}
}

// partSize returns the length of all parts but the last, the shortest that fits size into so many parts as there may be.
func (s *splitter) partSize(size int64) int64 {
	const round = 1 << 20
	need := (size + MaxPartNumber - 1) / MaxPartNumber
	if need <= s.least {
		return s.least
	}
	return min((need+round-1)/round*round, s.caps.MaxPart)
}

func (s *splitter) put(ctx context.Context, key string, body io.Reader, size int64, opts *PutOptions) (*Info, error) {
	partSize := s.partSize(size)
	if (size+partSize-1)/partSize > MaxPartNumber {
		return nil, &Error{Kind: TooLarge, Op: "Put", Key: key}
	}
	if err := s.mayHold(ctx, key, opts); err != nil {
		return nil, err
	}
	id, err := s.d.Uploads().Create(ctx, key, nil)
	if err != nil {
		return nil, asPut(key, err)
	}
	job := &splitPut{splitter: s, up: Upload{ID: id, Key: key}, body: driver.ExactBody(body, size), size: size, partSize: partSize}
	info, err := job.run(ctx, opts)
	if err == nil || job.gone || !driver.Is(err, UnknownOutcome) {
		// Of a completed upload this removes the notes. After an unknown outcome the sweep decides.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
		defer cancel()
		_ = s.d.Uploads().Abort(clean, job.up) // what stays is swept when it is old
	}
	return info, err
}

// mayHold spares the sending of a long body whose condition fails already. The decision that counts is Complete's.
func (s *splitter) mayHold(ctx context.Context, key string, opts *PutOptions) error {
	if !opts.IfNoneMatch && opts.IfMatch == "" {
		return nil
	}
	info, err := s.d.Head(ctx, key)
	switch {
	case driver.Is(err, NotFound):
		if opts.IfNoneMatch {
			return nil
		}
		return asPut(key, err)
	case err != nil:
		return asPut(key, err)
	case opts.IfNoneMatch || info.ETag != opts.IfMatch:
		return &Error{Kind: PreconditionFailed, Op: "Put", Key: key}
	}
	return nil
}

// splitPut is one body on its way.
type splitPut struct {
	*splitter
	up       Upload
	body     *driver.Body
	size     int64
	partSize int64
	parts    []Part
	gone     bool   // the backend says that there is no such upload any more
	tail     []byte // the end of the last part, when it was buffered
}

func (j *splitPut) run(ctx context.Context, opts *PutOptions) (*Info, error) {
	send := j.sendBuffered
	if j.partSize > mostBuffered {
		send = j.sendStreamed
	}
	if err := send(ctx); err != nil {
		if driver.Is(err, UnknownOutcome) { // of a part only: the object is as it was
			err = &Error{Kind: Unavailable, Op: "Put", Key: j.up.Key, Err: err}
		}
		return nil, asPut(j.up.Key, err)
	}
	info, err := j.d.Uploads().Complete(ctx, j.up, j.parts, opts)
	if err != nil && driver.Is(err, NoSuchUpload) {
		// It was there when its parts were taken. A request that arrived twice has completed it the first time, or the backend has dropped it.
		j.gone = true
		err = unknown("Put", j.up.Key, err)
	}
	if err != nil && driver.Is(err, UnknownOutcome) {
		if info := j.recognise(ctx); info != nil {
			return info, nil
		}
	}
	if err != nil {
		return nil, asPut(j.up.Key, err)
	}
	return info, nil
}

func (j *splitPut) sendStreamed(ctx context.Context) error {
	for off := int64(0); off < j.size; off += j.partSize {
		n := min(j.partSize, j.size-off)
		part, err := j.d.Uploads().PutPart(ctx, j.up, len(j.parts)+1, io.LimitReader(j.body, n), n)
		if err != nil {
			return err
		}
		j.parts = append(j.parts, *part)
	}
	return nil
}

// sendBuffered reads in this goroutine, as the contract has it, and sends in others, so that a part may be on its way while the service is still
// making the one before it durable.
func (j *splitPut) sendBuffered(ctx context.Context) error {
	caller := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	free := make(chan []byte, partsInMemory)
	for range partsInMemory {
		buf := j.buffers.get(j.partSize)
		defer j.buffers.put(buf)
		free <- buf.bytes
	}
	senders, sendCtx := errgroup.WithContext(ctx)
	j.parts = make([]Part, (j.size+j.partSize-1)/j.partSize)
	var last []byte
	readErr := j.fill(sendCtx, free, func(n int, data []byte) {
		last = data
		senders.Go(func() error {
			part, err := j.d.Uploads().PutPart(sendCtx, j.up, n, driver.NewMemory(data), int64(len(data)))
			if err != nil {
				return err
			}
			j.parts[n-1] = *part
			free <- data
			return nil
		})
	})
	if readErr != nil {
		cancel() // of the parts under way: the whole has failed
	}
	sendErr := senders.Wait()
	j.tail = bytes.Clone(last[max(0, len(last)-mostTail):]) // the buffers go back
	switch {
	case sendErr != nil && caller.Err() != nil: // whatever the parts that were under way came to
		return &Error{Kind: Canceled, Op: "Put", Key: j.up.Key, Err: sendErr}
	case sendErr != nil && (readErr == nil || !driver.Is(sendErr, Canceled)):
		return sendErr
	}
	return readErr
}

// fill reads the body part by part and hands each to send as soon as it is whole. It stops when ctx ends, as it does when a part could not be sent.
func (j *splitPut) fill(ctx context.Context, free <-chan []byte, send func(n int, data []byte)) error {
	for n := 1; n <= len(j.parts); n++ {
		var buf []byte
		select {
		case buf = <-free:
		case <-ctx.Done():
			return &Error{Kind: Canceled, Op: "Put", Key: j.up.Key, Err: context.Cause(ctx)}
		}
		buf = buf[:min(j.partSize, j.size-int64(n-1)*j.partSize)]
		if _, err := io.ReadFull(j.body, buf); err != nil {
			kind := BadBody
			if ctx.Err() != nil {
				kind = Canceled
			}
			return &Error{Kind: kind, Op: "Put", Key: j.up.Key, Err: err}
		}
		send(n, buf)
	}
	return nil
}

// recognise returns the object's Info if the object at the key is the one that this upload made. Nobody else knows the upload's id, so it was
// completed if its parts are gone. Whether the object that is there now is still the one it made is told by length and last bytes.
func (j *splitPut) recognise(ctx context.Context) *Info {
	if !j.caps.SeenIsDurable {
		return nil
	}
	if parts, _, err := j.d.Uploads().Read(ctx, j.up); err != nil || len(parts) > 0 {
		return nil
	}
	info, err := j.d.Head(ctx, j.up.Key)
	if err != nil || info.Size != j.size || len(j.tail) == 0 {
		return nil
	}
	stored, _, err := j.d.Get(ctx, j.up.Key, &GetOptions{Suffix: int64(len(j.tail)), IfMatch: info.ETag})
	if err != nil {
		return nil
	}
	defer stored.Close()
	own := source{data: j.tail}
	if same, err := own.equal(stored, int64(len(j.tail))); err != nil || !same {
		return nil
	}
	return info
}

// asPut presents a failed step of a split PUT as what the caller asked for, who knows of no upload and may send the body again.
func asPut(key string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Op == "Put" {
		return err
	}
	kind := e.Kind
	if kind == NoSuchUpload || kind == InvalidPart {
		kind = Unavailable
	}
	return &Error{Kind: kind, Op: "Put", Key: key, RetryAfter: e.RetryAfter, Err: err}
}
