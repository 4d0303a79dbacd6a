package accounts

import (
	"context"
	"net/http"

	"kuai/platform/account"
)

// MemberInput is a person of an organisation in the path.
type MemberInput struct {
	OrgInput
	User string `path:"user" maxLength:"64"`
}

type roleInput struct {
	MemberInput
	Body struct {
		Role account.Role `json:"role" enum:"owner,admin,member,viewer"`
	}
}

type inviteInput struct {
	OrgInput
	Creation
	Body struct {
		Email string       `json:"email" maxLength:"254"`
		Role  account.Role `json:"role" enum:"owner,admin,member,viewer"`
	}
}

type invited struct {
	Invitation account.Invitation `json:"invitation"`
	Secret     string             `json:"secret,omitempty" doc:"to be sent to the person; shown this once"`
}

type invitationInput struct {
	OrgInput
	ID string `path:"invitation" maxLength:"64"`
}

type newUserInput struct {
	Creation
	Body struct {
		Email    string `json:"email" maxLength:"254"`
		Name     string `json:"name" maxLength:"400"`
		Password string `json:"password,omitempty" maxLength:"256" doc:"none for one who logs in at the issuer"`
	}
}

type userInput struct {
	User string `path:"user" maxLength:"64"`
}

func (h *handler) people() {
	a := h.rooms.Accounts
	const org = "/organisations/{org}"
	endpoint(h, http.MethodGet, org+"/members", "People of an organisation", viewer, func(ctx context.Context, _ call, in *orgPageInput) (*list[account.Member], error) {
		l, err := a.Members(ctx, in.Org, in.page())
		return listed(l, func(m account.Member) string { return m.ID }, err)
	})
	endpoint(h, http.MethodPut, org+"/members/{user}", "Give a member a role", admin, func(ctx context.Context, c call, in *roleInput) (*done, error) {
		return finished(a.SetRole(ctx, c.Caller, in.Org, in.User, in.Body.Role))
	})
	endpoint(h, http.MethodDelete, org+"/members/{user}", "Take a person out of an organisation; everyone may leave", viewer, func(ctx context.Context, c call, in *MemberInput) (*done, error) {
		return finished(a.RemoveMember(ctx, c.Caller, in.Org, in.User))
	})
	endpoint(h, http.MethodGet, org+"/invitations", "Invitations of an organisation", admin, func(ctx context.Context, _ call, in *orgPageInput) (*list[account.Invitation], error) {
		l, err := a.Invitations(ctx, in.Org, in.page())
		return listed(l, func(i account.Invitation) string { return i.ID }, err)
	})
	endpoint(h, http.MethodPost, org+"/invitations", "Invite a person", admin, func(ctx context.Context, c call, in *inviteInput) (*made[invited], error) {
		i, secret, err := a.Invite(ctx, c.Caller, in.Org, in.Body.Email, in.Body.Role)
		return created(invited{i, secret}, err)
	})
	endpoint(h, http.MethodDelete, org+"/invitations/{invitation}", "Take an invitation back", admin, func(ctx context.Context, c call, in *invitationInput) (*done, error) {
		return finished(a.RevokeInvitation(ctx, c.Caller, in.Org, in.ID))
	})
	endpoint(h, http.MethodGet, "/users", "All people of the installation", operator, func(ctx context.Context, _ call, in *PageInput) (*list[account.User], error) {
		l, err := a.Users(ctx, in.page())
		return listed(l, func(u account.User) string { return u.ID }, err)
	})
	endpoint(h, http.MethodPost, "/users", "Make a person", operator, func(ctx context.Context, c call, in *newUserInput) (*made[account.User], error) {
		return created(a.CreateUser(ctx, c.Caller, account.NewUser{Email: in.Body.Email, Name: in.Body.Name, Password: in.Body.Password}))
	})
	endpoint(h, http.MethodPost, "/users/{user}/disable", "End all sessions and keys of a person", operator, func(ctx context.Context, c call, in *userInput) (*one[account.User], error) {
		return got(a.DisableUser(ctx, c.Caller, in.User, true))
	})
	endpoint(h, http.MethodPost, "/users/{user}/enable", "Let a person log in again", operator, func(ctx context.Context, c call, in *userInput) (*one[account.User], error) {
		return got(a.DisableUser(ctx, c.Caller, in.User, false))
	})
}
