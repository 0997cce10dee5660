package vault

import "errors"

// The ways of not getting what was asked for. Each says what to do; a caller adds which vault and which file.
var (
	// ErrWrongKey means that no key slot opens with the given password or key. An altered slot looks the same.
	ErrWrongKey = errors.New("this password or key opens none of the vault's key slots; check capitals, keyboard layout and missing characters, " +
		"or try another of the vault's passwords or its 64-digit key; if you are sure of it, the vault file may be damaged: use the copy in a state directory")
	// ErrNoPasswordSlot means that a password was given for a vault that has none. It is an [ErrWrongKey] too.
	ErrNoPasswordSlot error = noPasswordSlot{}
	// ErrDamaged means that bytes are not what this program writes: cut, altered, or something else altogether.
	ErrDamaged = errors.New("damaged or not a vault file; use an undamaged copy (the state directory of a gateway holds one)")
	// ErrForged means that a slot opened but the rest of the file was not written by a holder of the vault's keys.
	ErrForged = errors.New("the vault file was altered after it was written; do not use this storage until you know who changed it, and restore " +
		"the file from the state directory of a gateway")
	// ErrRollback means that the file is older than, or differs from, the one this gateway used last.
	ErrRollback = errors.New("the vault file is not the newest this gateway has seen; restore the newest one from the state directory of a gateway")
	// ErrOtherVault means that the file belongs to another vault than the pinned one.
	ErrOtherVault = errors.New("the vault file belongs to another vault; check which storage and which state directory are configured")
	// ErrTooNew means that the data uses something this version does not know.
	ErrTooNew = errors.New("written by a newer version; use that version or a later one")
	// ErrUnknownEpoch means that data was sealed under a key that this generation of the vault file does not hold.
	ErrUnknownEpoch = errors.New("sealed under a newer key than this gateway has loaded; load the newest vault file first")
	// ErrUnsealable means that a record does not open: altered, of another vault, or put under another name.
	ErrUnsealable = errors.New("does not open with the vault's key: altered, moved to another name, or of another vault")
	// ErrNoSlot means that the vault has no slot of that id.
	ErrNoSlot = errors.New("the vault has no such key slot; list them with: sallyport vault status")
	// ErrLastRecoverySlot means that the vault would be left without a 64-digit key.
	ErrLastRecoverySlot = errors.New("this is the vault's only 64-digit key; replace it instead of removing it")
	// ErrTooManySlots means that the vault file would grow past its bounds.
	ErrTooManySlots = errors.New("the vault has no room for another key slot; remove one first")
	// ErrPinDamaged means that what the gateway remembers of the vault is unreadable.
	ErrPinDamaged = errors.New("what this gateway remembers of the vault is damaged; restore the state directory, or remove the pin from it if you are sure that the storage holds the newest vault file")
	// ErrClosed means that the keys were wiped from memory.
	ErrClosed = errors.New("the vault was locked; unlock it again")
)

type noPasswordSlot struct{}

func (noPasswordSlot) Error() string {
	return "this vault has no password; it opens with its 64-digit key (if 64 digits were meant: one is missing, too many or mistyped)"
}

func (noPasswordSlot) Is(target error) bool { return target == ErrWrongKey }
