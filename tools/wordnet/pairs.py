#!/usr/bin/env python3
# Writes pairs of WordNet for `kuai train vectors --text wordnet.tsv`: names of a
# meaning and what it is, in whose names every word is common in some texts.
#
#   pairs.py /usr/share/wordnet TEXT.gz ... > wordnet.tsv
import collections, gzip, re, sys
voc=collections.Counter()
for f in sys.argv[2:]:
    for l in gzip.open(f,'rt',errors='ignore'):
        voc.update(re.findall(r"[a-z]+",l.split('\t')[0].lower()))
D=sys.argv[1]+'/'
syn={}
for p in ['noun','verb','adj','adv']:
    for l in open(D+'data.'+p):
        if l.startswith('  '): continue
        d,_,g=l.partition('|'); t=d.split()
        n=int(t[3],16); lem=[re.sub(r'\(.*\)','',t[4+2*i]).replace('_',' ') for i in range(n)]
        k=4+2*n; np=int(t[k]); k+=1; hyp=[]
        for i in range(np):
            if t[k]in('@','@i'): hyp.append((t[k+2],t[k+1]))
            k+=4
        syn[(t[2] if t[2]!='s' else 'a',t[0])]=(lem,hyp,g.strip(),int(t[1]))
# sense numbers
rank={}
for p,c in [('noun','n'),('verb','v'),('adj','a'),('adv','r')]:
    for l in open(D+'index.'+p):
        if l.startswith('  '): continue
        t=l.split(); w=t[0].replace('_',' '); n=int(t[2]); offs=t[-n:]
        for i,o in enumerate(offs): rank[(w,c,o)]=i
out=[]
def common(w): return all(voc[x]>=3 for x in re.findall('[a-z]+',w.lower())) 
for (c,o),(lem,hyp,g,lex) in syn.items():
    good=[w for w in lem if common(w) and rank.get((w.lower(),c,o),9)<4]
    if not good: continue
    gl=g.split(';')
    defn=gl[0].strip()
    ex=[x.strip().strip('"') for x in gl[1:] if '"' in x]
    hl=[]
    for h in hyp[:1]:
        hh=syn.get((h[1] if h[1]!='s' else 'a',h[0]))
        if hh: hl=hh[0][:2]
    names=', '.join(lem[:4])
    out.append(names+'\t'+defn+((' : '+', '.join(hl)) if hl else ''))
    if hl:
        out.append(lem[0]+'\t'+', '.join(hl))
    if len(lem)>1: out.append(lem[0]+'\t'+', '.join(lem[1:4]))
    for e in ex[:1]:
        out.append(e+'\t'+names+(', '+', '.join(hl) if hl else ''))
print('\n'.join(out))
