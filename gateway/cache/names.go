package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// namers make the ids of one vault's rows, under a key derived from the vault's. They are kept from row to row, because beginning an HMAC costs as much as
// the rest of it. They are safe for concurrent use.
type namers struct {
	key  []byte
	idle sync.Pool // of *namer
}

// namer makes one id at a time. Between two of them it holds nothing of a name.
type namer struct {
	mac  hash.Hash
	text []byte
}

// id hashes what names a revision, so that neither memory dumps nor files hold names, and nobody can look for two names with one id. What is on disk needs
// the ids to stay what they are.
func (n *namers) id(backendKey, backendETag string) rowID {
	w, ok := n.idle.Get().(*namer)
	if !ok {
		w = &namer{mac: hmac.New(sha256.New, n.key)}
	}
	defer n.idle.Put(w)
	return w.id(backendKey, backendETag)
}

func (w *namer) id(backendKey, backendETag string) (id rowID) {
	w.text = binary.BigEndian.AppendUint64(w.text[:0], uint64(len(backendKey)))
	w.text = append(w.text, backendKey...)
	w.text = append(w.text, backendETag...)
	w.mac.Write(w.text)
	clear(w.text)
	w.text = w.mac.Sum(w.text[:0])
	w.mac.Reset()
	copy(id[:], w.text)
	return id
}
