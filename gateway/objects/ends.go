package objects

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"

	"sallyport/crypto/object"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

// maxKnownEnds bounds the memory of knownEnds: about a thousand objects of one part. maxKnownEnd keeps a few objects of very many parts from being all of it.
const (
	maxKnownEnds = 4 << 20
	maxKnownEnd  = 256 << 10
)

// knownEnds remembers the ends of objects that were read lately, tail and table, sealed as they are stored. With them a HEAD needs no bytes of the object, for
// which some backends read and verify much more than was asked for, and the next range of an object is one request in place of two or three. What is
// remembered may be of a revision that is no more, so it answers nothing before the backend has said that it is the present one.
type knownEnds struct {
	mu    sync.Mutex
	byID  map[endID]*list.Element
	order *list.List // of *knownEnd, the latest used in front
	size  int
}

type endID struct {
	vault      *vaults.Vault
	backendKey string
}

// knownEnd is not changed once it is remembered.
type knownEnd struct {
	id    endID
	info  providers.Info
	bytes []byte
}

func newKnownEnds() *knownEnds {
	return &knownEnds{byID: map[endID]*list.Element{}, order: list.New()}
}

func (k *knownEnds) get(at *place) *knownEnd {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.byID[endID{at.bucket.Vault, at.backendKey}]
	if !ok {
		return nil
	}
	k.order.MoveToFront(e)
	known, _ := e.Value.(*knownEnd)
	return known
}

// remember keeps the end of a revision whose tail was opened: its tail, and its table if that was read.
func (k *knownEnds) remember(r *storedRevision) {
	if r.known != nil && r.table == nil {
		return // it is where the end comes from
	}
	tail, table := r.end[len(r.end)-object.TailSize:], r.table
	if whole := object.TailSize + int(object.TableSize(r.meta.Frames)); len(r.end) >= whole {
		table = r.end[len(r.end)-whole : len(r.end)-object.TailSize]
	}
	if len(table)+len(tail) > maxKnownEnd {
		table = nil
	}
	known := &knownEnd{id: endID{r.bucket.Vault, r.backendKey}, info: *r.info, bytes: slices.Concat(table, tail)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, ok := k.byID[known.id]; ok {
		k.removeLocked(e)
	}
	k.byID[known.id] = k.order.PushFront(known)
	for k.size += len(known.bytes); k.size > maxKnownEnds; {
		k.removeLocked(k.order.Back())
	}
}

// forget drops what turned out not to be the present revision.
func (k *knownEnds) forget(known *knownEnd) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, ok := k.byID[known.id]; ok && e.Value == known {
		k.removeLocked(e)
	}
}

func (k *knownEnds) removeLocked(e *list.Element) {
	if known, ok := k.order.Remove(e).(*knownEnd); ok {
		delete(k.byID, known.id)
		k.size -= len(known.bytes)
	}
}

// readKnown answers a HEAD, or a GET of a part of an object, with the help of the end that is remembered. It is undecided when there is none, and when the
// backend does not confirm it: then the object must be read as if nothing were remembered.
func (s *Service) readKnown(ctx context.Context, at *place, in *GetInput, why purpose) (out *GetOutput, decided bool, err error) {
	if !in.partial() && why != withoutBody {
		return nil, false, nil // who reads everything is also to learn whether the stored end is still whole
	}
	known := s.ends.get(at)
	if known == nil {
		return nil, false, nil
	}
	r := &storedRevision{place: at, known: known, unconfirmed: true, end: known.bytes, info: &known.info, buffers: s.buffers}
	defer r.close()
	out, err = s.answerKnown(ctx, r, in, why)
	switch {
	case err == nil && !r.unconfirmed:
		s.ends.remember(r)
		return out, true, nil
	case isTrouble(err), !r.unconfirmed && !errors.Is(err, errChanged):
		return nil, true, err
	}
	if out != nil && out.Body != nil {
		_ = out.Body.Close()
	}
	if _, refused := errors.AsType[*Error](err); !refused { // else the backend was not asked
		s.ends.forget(known)
	}
	return nil, false, nil
}

func (s *Service) answerKnown(ctx context.Context, r *storedRevision, in *GetInput, why purpose) (*GetOutput, error) {
	if why == withoutBody {
		info, err := r.store().Head(ctx, r.backendKey)
		if err == nil {
			err = r.confirm(info)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := s.openEnd(ctx, r, in.CustomerKey); err != nil {
		return nil, err
	}
	return s.answer(ctx, r, in, why)
}

// isTrouble reports a failure that says nothing about the object, and that a second request would only add to.
func isTrouble(err error) bool {
	return providers.Is(err, providers.Unavailable) || providers.Is(err, providers.Throttled) || providers.Is(err, providers.Canceled)
}

// confirm compares a remembered revision with what the backend says of the present one.
func (r *storedRevision) confirm(present *providers.Info) error {
	if present.ETag != r.info.ETag || present.Size != r.info.Size || !present.ModTime.Equal(r.info.ModTime) {
		return errChanged
	}
	r.info, r.unconfirmed = present, false
	return nil
}
