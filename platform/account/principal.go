package account

import (
	"net/netip"
	"slices"
	"time"
)

// Role is what a person may do in an organisation; each includes those below.
type Role string

// Roles, the strongest first.
const (
	RoleOwner  Role = "owner"  // and the organisation itself, and other owners
	RoleAdmin  Role = "admin"  // and people, projects, everyone's keys, limits
	RoleMember Role = "member" // uses models, makes keys of their own
	RoleViewer Role = "viewer" // looks
)

// rank orders roles; 0 is no role.
func (r Role) rank() int {
	return 1 + slices.Index([]Role{RoleViewer, RoleMember, RoleAdmin, RoleOwner}, r)
}

// Valid says whether it is one of the roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// AtLeast says whether a role includes another.
func (r Role) AtLeast(other Role) bool { return r.Valid() && r.rank() >= other.rank() }

// Access is what a principal may do with accounts, within its role.
type Access int

// Accesses.
const (
	None Access = iota
	Read
	Write
)

// Principal is an authenticated caller.
type Principal struct {
	Org, Project, User, Key, Session string // identifiers; "" where there is none

	Scopes   []string // what the caller may use; nil for everything
	Models   []string // with which models; nil for all
	Accounts Access   // to accounts, which needs its own scope
	Roles    map[string]Role
	Admin    bool // runs the installation: owner of every organisation
	Urgent   bool // may go before those who wait

	Networks []netip.Prefix // from where the key counts; nil for everywhere
	Expires  time.Time      // of the key or session; zero for never
}

// Actor is the principal in the audit log.
func (p Principal) Actor() string {
	if p.Key != "" {
		return p.Key
	}
	return p.User
}

// RoleIn is the role in an organisation; "" says that the caller must not know
// that there is one.
func (p Principal) RoleIn(org string) Role {
	if p.Admin {
		return RoleOwner
	}
	return p.Roles[org]
}

// May says whether the caller may use something that needs a scope.
func (p Principal) May(scope string) bool { return p.Scopes == nil || slices.Contains(p.Scopes, scope) }

// MayModel says whether the caller may use a model.
func (p Principal) MayModel(model string) bool {
	return p.Models == nil || slices.Contains(p.Models, model)
}

// Scopes of keys. A key without any may use everything but accounts.
const (
	ScopeChat          = "chat"
	ScopeVideos        = "videos"
	ScopeImages        = "images"
	ScopeFiles         = "files"
	ScopeModels        = "models"
	ScopeVoices        = "voices"
	ScopeUsage         = "usage"
	ScopeJobs          = "jobs"
	ScopeWebhooks      = "webhooks"
	ScopeCharacters    = "characters"
	ScopeUrgent        = "urgent" // beside the others: to go before those who wait; only operators give it
	ScopeAccountsRead  = "accounts:read"
	ScopeAccountsWrite = "accounts:write"
	ScopeAll           = "*" // accounts included
)

// Scopes are all that a key can have.
func Scopes() []string {
	return []string{ScopeChat, ScopeVideos, ScopeImages, ScopeFiles, ScopeModels, ScopeVoices, ScopeUsage, ScopeJobs, ScopeWebhooks, ScopeCharacters, ScopeUrgent, ScopeAccountsRead, ScopeAccountsWrite, ScopeAll}
}

// access splits a key's scopes into what models it may use and what accounts
// it may touch.
func access(scopes []string) (use []string, accounts Access) {
	for _, s := range scopes {
		switch s {
		case ScopeAll:
			return nil, Write
		case ScopeAccountsWrite:
			accounts = Write
		case ScopeAccountsRead:
			accounts = max(accounts, Read)
		case ScopeUrgent: // limits nothing
		default:
			use = append(use, s)
		}
	}
	if use == nil && accounts > None {
		use = []string{} // a key for accounts alone uses nothing
	}
	return use, accounts
}
