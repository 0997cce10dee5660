package providers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"sallyport/providers/driver"
)

const (
	leastSplitPart = 5 << 20  // bytes; also S3's own minimum
	mostBuffered   = 16 << 20 // bytes; longer parts are streamed, because memory per body is bounded
	mostTail       = 64 << 10 // bytes of the last part that are kept to recognise the object by
	cleanUpWithin  = 30 * time.Second
)

// splitter sends one long body as an upload of its own. A part is held in memory until it is stored, so that the layer below can send
// it again; meanwhile the next one is read into a second buffer. Only a body of more than 160 GB has parts too long for that.
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
	if err == nil || !driver.Is(err, UnknownOutcome) {
		// Of a completed upload this removes the notes. After an unknown outcome the sweep decides.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
		defer cancel()
		_ = s.d.Uploads().Abort(clean, job.up) // what stays is swept when it is old
	}
	return info, err
}

// mayHold spares sending a long body whose condition fails already. Complete decides.
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
	tail     []byte // the end of the last part, when it was buffered
}

func (j *splitPut) run(ctx context.Context, opts *PutOptions) (*Info, error) {
	send := j.sendBuffered
	if j.partSize > mostBuffered {
		send = j.sendStreamed
	}
	if err := send(ctx); err != nil {
		return nil, asPut(j.up.Key, err)
	}
	info, err := j.d.Uploads().Complete(ctx, j.up, j.parts, opts)
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

// sendBuffered reads in this goroutine, as the contract has it, and sends in another.
func (j *splitPut) sendBuffered(ctx context.Context) error {
	sendCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	filled, free := make(chan []byte), make(chan []byte, 2)
	for range 2 {
		buf := j.buffers.get(j.partSize)
		defer j.buffers.put(buf)
		free <- buf.bytes
	}
	var sendErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for data := range filled {
			var part *Part
			part, sendErr = j.d.Uploads().PutPart(sendCtx, j.up, len(j.parts)+1, bytes.NewReader(data), int64(len(data)))
			if sendErr != nil {
				cancel()
				return
			}
			j.parts = append(j.parts, *part)
			j.tail = data
			free <- data
		}
	}()
	readErr := j.fill(ctx, filled, free, done)
	close(filled)
	if readErr != nil {
		cancel() // of the part under way: the whole has failed
	}
	<-done
	j.tail = bytes.Clone(j.tail[max(0, len(j.tail)-mostTail):]) // the buffers go back
	stopped := errors.Is(readErr, errSenderGone)
	if sendErr != nil && (readErr == nil || stopped || !driver.Is(sendErr, Canceled)) {
		return sendErr
	}
	return readErr
}

var errSenderGone = errors.New("sender has stopped")

func (j *splitPut) fill(ctx context.Context, filled chan<- []byte, free <-chan []byte, done <-chan struct{}) error {
	for off := int64(0); off < j.size; off += j.partSize {
		var buf []byte
		select {
		case buf = <-free:
		case <-done:
			return errSenderGone
		}
		buf = buf[:min(j.partSize, j.size-off)]
		if _, err := io.ReadFull(j.body, buf); err != nil {
			kind := BadBody
			if ctx.Err() != nil {
				kind = Canceled
			}
			return &Error{Kind: kind, Op: "Put", Key: j.up.Key, Err: err}
		}
		select {
		case filled <- buf:
		case <-done:
			return errSenderGone
		}
	}
	return nil
}

// recognise returns the object's Info if it is the one of this upload. Nobody else knows the upload's id, so that it has completed if its
// parts are gone; whether the object that is there now is the one it made is told by length and end.
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

// asPut presents a failed step of a split PUT as what the caller asked for.
func asPut(key string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Op == "Put" {
		return err
	}
	return &Error{Kind: e.Kind, Op: "Put", Key: key, RetryAfter: e.RetryAfter, Err: err}
}
