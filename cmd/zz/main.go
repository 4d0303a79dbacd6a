package main
import ("context";"flag";"fmt";"os";"strings"
"kuai/character/converse";"kuai/character/memory";"kuai/companion"
me "kuai/eval/memory"; te "kuai/eval/talk";"kuai/par";"kuai/text")
func main(){
 m:=flag.String("m","","");n:=flag.Int("n",80000,"");q:=flag.Int("q",40,"");seed:=flag.Uint64("seed",100,"");test:=flag.Bool("test",false,"")
 beside:=flag.Int("beside",0,"");strict:=flag.Bool("strict",false,"");items:=flag.Int("items",20,"");noread:=flag.Bool("noread",false,"");wrong:=flag.Int("wrong",0,"")
 flag.Parse()
 pool:=par.New(0); mod,err:=text.Open(*m,text.Options{Pool:pool}); if err!=nil{panic(err)}
 sp,_:=te.NewSpeaker(mod); rd,_:=converse.NewReader(mod)
 tu:=memory.Tuned(); tu.Beside=*beside; tu.Strict=*strict; tu.Items=*items
 c:=me.LifeConfig{Most:*n,Questions:*q,Seed:*seed,Tuning:&tu,Reader:rd,Split:companion.Train}
 if *test {c.Split=companion.Test}
 if *noread {c.Reader=memory.NoFacts{}}
 rep,err:=me.Life(context.Background(),sp,c); if err!=nil{panic(err)}
 for _,b:=range rep.Bars { if strings.HasPrefix(b.Name,"right_")||strings.HasPrefix(b.Name,"false")||strings.HasPrefix(b.Name,"stale")||strings.HasPrefix(b.Name,"evid")||strings.HasPrefix(b.Name,"recall_ms")||strings.HasPrefix(b.Name,"reply_ms") {if b.Value!=nil{fmt.Printf("%s=%.3f ",b.Name,*b.Value)}}}
 fmt.Println()
 w:=rep.Notes["wrong"].([]map[string]string)
 for i,x:=range w { if i<*wrong {fmt.Fprintln(os.Stdout,x["type"],"|",x["ask"],"|",x["reply"],"|",x["answer"],"\n   ",strings.ReplaceAll(x["pack"],"\n","\n    "))}}
}
