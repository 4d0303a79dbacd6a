package accounts

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"kuai/fault"
	"kuai/platform/account"
	"kuai/platform/audit"
	"kuai/platform/limit"
)

type ruleBody struct {
	Level   limit.Level `json:"level" enum:"organisation,project,user,key"`
	Subject string      `json:"subject" maxLength:"64" doc:"the identifier of the organisation, project, user or key"`
	Kind    limit.Kind  `json:"kind" enum:"requests_per_minute,requests_per_day,tokens_per_minute,tokens_per_day,concurrency,characters_per_day,images_per_day,video_seconds_per_day,money_micros_per_day,money_micros_per_month"`
	Amount  int64       `json:"amount" minimum:"0"`
}

type setRuleInput struct {
	OrgInput
	Body ruleBody
}

type dropRuleInput struct {
	OrgInput
	Level   limit.Level `path:"level" enum:"organisation,project,user,key"`
	Subject string      `path:"subject" maxLength:"64"`
	Kind    limit.Kind  `path:"kind" maxLength:"64"`
}

type listedRules struct {
	Body struct {
		Data []limit.Rule `json:"data"`
	}
}

// AuditInput says which part of the log is wanted.
type AuditInput struct {
	Before int64 `query:"after" minimum:"0" doc:"the next of the page before"`
	Limit  int   `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type orgAuditInput struct {
	OrgInput
	AuditInput
}

type verified struct {
	Body struct {
		OK      bool   `json:"ok"`
		Records int64  `json:"records"`
		Head    string `json:"head" doc:"the hash of the last record; note it elsewhere"`
		Error   string `json:"error,omitempty"`
	}
}

func (h *handler) limits() {
	const org = "/organisations/{org}"
	endpoint(h, http.MethodGet, org+"/limits", "Limits of an organisation and all below it", viewer, func(ctx context.Context, _ call, in *OrgInput) (*listedRules, error) {
		out := &listedRules{}
		var err error
		out.Body.Data, err = h.rooms.Limits.Rules(ctx, in.Org)
		return out, err
	})
	endpoint(h, http.MethodPut, org+"/limits", "Set a limit; an organisation's own is its operator's business", admin, func(ctx context.Context, c call, in *setRuleInput) (*one[limit.Rule], error) {
		b := in.Body
		r := limit.Rule{Org: in.Org, Level: b.Level, Subject: b.Subject, Kind: b.Kind, Amount: b.Amount}
		return got(r, h.rooms.Limits.Set(ctx, c.Caller, r))
	})
	endpoint(h, http.MethodDelete, org+"/limits/{level}/{subject}/{kind}", "Take a limit away", admin, func(ctx context.Context, c call, in *dropRuleInput) (*done, error) {
		return finished(h.rooms.Limits.Delete(ctx, c.Caller, limit.Rule{Org: in.Org, Level: in.Level, Subject: in.Subject, Kind: in.Kind}))
	})
	endpoint(h, http.MethodGet, org+"/audit", "Who changed what in an organisation, the latest first", admin, func(ctx context.Context, _ call, in *orgAuditInput) (*list[audit.Record], error) {
		return h.records(ctx, in.Org, in.AuditInput)
	})
	endpoint(h, http.MethodGet, "/audit", "Who changed what in the whole installation, the latest first", operator, func(ctx context.Context, _ call, in *AuditInput) (*list[audit.Record], error) {
		return h.records(ctx, "*", *in)
	})
	endpoint(h, http.MethodGet, "/audit/verify", "Compute the log's chain of hashes anew", operator, func(ctx context.Context, _ call, _ *struct{}) (*verified, error) {
		out := &verified{}
		report, err := audit.Verify(ctx, h.rooms.DB)
		if err != nil && !errors.Is(err, audit.ErrBroken) {
			return nil, fault.From(err)
		}
		out.Body.OK, out.Body.Records, out.Body.Head = err == nil, report.Records, report.Head
		if err != nil {
			out.Body.Error = err.Error()
		}
		return out, nil
	})
}

func (h *handler) records(ctx context.Context, org string, in AuditInput) (*list[audit.Record], error) {
	size := in.Limit
	all, err := audit.List(ctx, h.rooms.DB, org, in.Before, size+1)
	if err != nil {
		return nil, fault.From(err)
	}
	l := account.Listed[audit.Record]{Data: append([]audit.Record{}, all[:min(len(all), size)]...), More: len(all) > size}
	return listed(l, func(r audit.Record) string { return strconv.FormatInt(r.Seq, 10) }, nil)
}
