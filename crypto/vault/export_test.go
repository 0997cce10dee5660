package vault

// HoldTurn keeps every password waiting until release is called.
func HoldTurn(h *Hasher) (release func()) {
	h.turn <- struct{}{}
	return func() { <-h.turn }
}
