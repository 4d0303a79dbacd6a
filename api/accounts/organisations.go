package accounts

import (
	"context"
	"net/http"

	"kuai/platform/account"
)

// PageInput says which part of a list is wanted.
type PageInput struct {
	After string `query:"after" maxLength:"64" doc:"the next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (p PageInput) page() account.Page { return account.Page{After: p.After, Limit: p.Limit} }

// list is a page of a list.
type list[T any] struct {
	Body struct {
		Data []T    `json:"data"`
		More bool   `json:"has_more"`
		Next string `json:"next,omitempty" doc:"to be sent as after, for the next page"`
	}
}

// listed makes a page; id is what the next one begins after.
func listed[T any](l account.Listed[T], id func(T) string, err error) (*list[T], error) {
	if err != nil {
		return nil, err
	}
	out := &list[T]{}
	out.Body.Data, out.Body.More = l.Data, l.More
	if l.More {
		out.Body.Next = id(l.Data[len(l.Data)-1])
	}
	return out, nil
}

// one is a thing.
type one[T any] struct{ Body T }

func got[T any](v T, err error) (*one[T], error) {
	if err != nil {
		return nil, err
	}
	return &one[T]{v}, nil
}

// made is a thing that was made.
type made[T any] struct{ Body T }

func (*made[T]) status() int { return http.StatusCreated }

func created[T any](v T, err error) (*made[T], error) {
	if err != nil {
		return nil, err
	}
	return &made[T]{v}, nil
}

// done is an answer without a body.
type done struct{}

func finished(err error) (*done, error) {
	if err != nil {
		return nil, err
	}
	return &done{}, nil
}

// Creation is the header of requests that make something.
type Creation struct {
	Once string `header:"Idempotency-Key" maxLength:"255" doc:"repeating a request under the same key makes nothing twice"`
}

// OrgInput is an organisation in the path. Inputs that others embed have
// exported names, or huma passes them over.
type OrgInput struct {
	Org string `path:"org" maxLength:"64"`
}

type nameBody struct {
	Name string `json:"name" maxLength:"400"`
}

type newOrgInput struct {
	Creation
	Body nameBody
}

type renameOrgInput struct {
	OrgInput
	Body nameBody
}

type orgPageInput struct {
	OrgInput
	PageInput
}

type newProjectInput struct {
	OrgInput
	Creation
	Body nameBody
}

// ProjectInput is a project in the path.
type ProjectInput struct {
	OrgInput
	Project string `path:"project" maxLength:"64"`
}

type renameProjectInput struct {
	ProjectInput
	Body nameBody
}

func orgID(o account.Organisation) string { return o.ID }
func projectID(p account.Project) string  { return p.ID }

var (
	viewer   = need{role: account.RoleViewer}
	member   = need{role: account.RoleMember}
	admin    = need{role: account.RoleAdmin}
	owner    = need{role: account.RoleOwner}
	operator = need{}
)

func (h *handler) organisations() {
	a := h.rooms.Accounts
	endpoint(h, http.MethodGet, "/organisations", "Organisations that the caller may see", need{self: true, access: account.Read}, func(ctx context.Context, c call, in *PageInput) (*list[account.Organisation], error) {
		l, err := a.Organisations(ctx, c.Principal, in.page())
		return listed(l, orgID, err)
	})
	endpoint(h, http.MethodPost, "/organisations", "Make an organisation", operator, func(ctx context.Context, c call, in *newOrgInput) (*made[account.Organisation], error) {
		return created(a.CreateOrganisation(ctx, c.Caller, in.Body.Name))
	})
	const org = "/organisations/{org}"
	endpoint(h, http.MethodGet, org, "An organisation", viewer, func(ctx context.Context, _ call, in *OrgInput) (*one[account.Organisation], error) {
		return got(a.Organisation(ctx, in.Org))
	})
	endpoint(h, http.MethodPatch, org, "Rename an organisation", owner, func(ctx context.Context, c call, in *renameOrgInput) (*one[account.Organisation], error) {
		return got(a.RenameOrganisation(ctx, c.Caller, in.Org, in.Body.Name))
	})
	endpoint(h, http.MethodDelete, org, "End an organisation and all of its keys", owner, func(ctx context.Context, c call, in *OrgInput) (*done, error) {
		return finished(a.DeleteOrganisation(ctx, c.Caller, in.Org))
	})
	endpoint(h, http.MethodPost, org+"/suspend", "Stop all keys of an organisation", operator, func(ctx context.Context, c call, in *OrgInput) (*one[account.Organisation], error) {
		return got(a.SuspendOrganisation(ctx, c.Caller, in.Org, true))
	})
	endpoint(h, http.MethodPost, org+"/resume", "Let the keys of an organisation count again", operator, func(ctx context.Context, c call, in *OrgInput) (*one[account.Organisation], error) {
		return got(a.SuspendOrganisation(ctx, c.Caller, in.Org, false))
	})
	endpoint(h, http.MethodGet, org+"/projects", "Projects of an organisation", viewer, func(ctx context.Context, _ call, in *orgPageInput) (*list[account.Project], error) {
		l, err := a.Projects(ctx, in.Org, in.page())
		return listed(l, projectID, err)
	})
	endpoint(h, http.MethodPost, org+"/projects", "Make a project", admin, func(ctx context.Context, c call, in *newProjectInput) (*made[account.Project], error) {
		return created(a.CreateProject(ctx, c.Caller, in.Org, in.Body.Name))
	})
	endpoint(h, http.MethodGet, org+"/projects/{project}", "A project", viewer, func(ctx context.Context, _ call, in *ProjectInput) (*one[account.Project], error) {
		return got(a.Project(ctx, in.Org, in.Project))
	})
	endpoint(h, http.MethodPatch, org+"/projects/{project}", "Rename a project", admin, func(ctx context.Context, c call, in *renameProjectInput) (*one[account.Project], error) {
		return got(a.RenameProject(ctx, c.Caller, in.Org, in.Project, in.Body.Name))
	})
	endpoint(h, http.MethodDelete, org+"/projects/{project}", "End a project and its keys", admin, func(ctx context.Context, c call, in *ProjectInput) (*done, error) {
		return finished(a.DeleteProject(ctx, c.Caller, in.Org, in.Project))
	})
}
