package fact

// predicates is the table. Names stand in files and in trained models: rows
// are added, never renamed.
var predicates = []Predicate{
	{"name", Fixed, [2]string{"name called", "名字 叫 什么"}},
	{"lives_in", Single, [2]string{"live lives city home where moved", "住 哪里 城市 家 搬"}},
	{"from", Fixed, [2]string{"from born grew up hometown", "老家 出生 长大 哪里人"}},
	{"works_as", Single, [2]string{"job work profession do for a living", "工作 职业 做什么"}},
	{"works_at", Single, [2]string{"company employer work at", "公司 上班 单位"}},
	{"studies", Single, [2]string{"study studies subject major", "学 专业 读"}},
	{"birthday", Fixed, [2]string{"birthday born date", "生日 几月几号"}},
	{"age", Single, [2]string{"age old years", "年纪 几岁 多大"}},
	{"favorite_food", Single, [2]string{"favorite food dish eat", "最喜欢 吃 菜"}},
	{"favorite_color", Single, [2]string{"favorite color colour", "最喜欢 颜色"}},
	{"favorite_season", Single, [2]string{"favorite season", "最喜欢 季节"}},
	{"favorite_film", Single, [2]string{"favorite film movie", "最喜欢 电影"}},
	{"reads", Single, [2]string{"reading book read", "看 书 读"}},
	{"listens_to", Single, [2]string{"music band listen singer", "听 音乐 乐队 歌手"}},
	{"drinks", Single, [2]string{"drink drinks morning", "喝 早上 饮料"}},
	{"drives", Single, [2]string{"drive car bike ride commute", "开 车 骑"}},
	{"plays", Multi, [2]string{"play instrument music", "弹 乐器 拉 吹"}},
	{"hobby", Multi, [2]string{"hobby hobbies free time weekend", "爱好 业余 周末"}},
	{"sport", Multi, [2]string{"sport training exercise", "运动 锻炼"}},
	{"learns", Multi, [2]string{"learn learning language", "学 语言 外语"}},
	{"speaks", Multi, [2]string{"speak language", "说 语言"}},
	{"likes", Multi, [2]string{"like likes love", "喜欢 爱"}},
	{"dislikes", Multi, [2]string{"dislike hate cannot stand", "讨厌 不喜欢 受不了"}},
	{"allergic_to", Multi, [2]string{"allergic allergy eat", "过敏 不能吃"}},
	{"afraid_of", Multi, [2]string{"afraid fear scared", "怕 害怕"}},
	{"collects", Multi, [2]string{"collect collection", "收集 收藏"}},
	{"wants_to_visit", Multi, [2]string{"want visit travel dream", "想去 旅行"}},
	{"has_pet", Multi, [2]string{"pet dog cat animal", "宠物 狗 猫 养"}},
	{"pet_name", Fixed, [2]string{"pet name called", "宠物 名字 叫"}},
	{"pet_eats", Single, [2]string{"pet eat feed", "宠物 吃 喂"}},
	{"sibling", Multi, [2]string{"sister brother sibling", "姐 妹 哥 弟"}},
	{"married_to", Single, [2]string{"married husband wife", "结婚 丈夫 妻子"}},
	{"dates", Single, [2]string{"boyfriend girlfriend together", "男朋友 女朋友 在一起"}},
	{"gym_day", Single, [2]string{"gym day class training when", "健身 哪天 星期几"}},
	{"class_day", Single, [2]string{"class lesson day when", "上课 星期几"}},
	{"wakes_at", Single, [2]string{"wake up get up time", "起床 几点"}},
	{"sleeps_at", Single, [2]string{"sleep bed time", "睡觉 几点"}},
	{"phone", Single, [2]string{"phone number digits", "电话 手机 号码"}},
	{"room", Single, [2]string{"room number office", "房间 号"}},
	{"floor", Single, [2]string{"floor flat apartment", "楼 层"}},
	{"shoe_size", Single, [2]string{"shoe size shoes", "鞋 码"}},
	{"lucky_number", Single, [2]string{"lucky number", "幸运 数字"}},
	{"keeps_key", Single, [2]string{"key spare keep where", "钥匙 放 哪里"}},
	{"team", Single, [2]string{"team club support", "球队 支持"}},
	{"saves_for", Single, [2]string{"saving save money for", "存钱 攒钱"}},
	{"writes", Single, [2]string{"writing novel story song", "写 小说 歌"}},
	{"trip", Event, [2]string{"trip travel went go", "旅行 去 出差"}},
	{"exam", Event, [2]string{"exam test", "考试"}},
	{"interview", Event, [2]string{"interview job", "面试"}},
	{"concert", Event, [2]string{"concert show", "演唱会 音乐会"}},
	{"dentist", Event, [2]string{"dentist doctor appointment", "牙医 医生 看病"}},
	{"bought", Event, [2]string{"buy bought", "买"}},
	{"lost", Event, [2]string{"lose lost", "丢"}},
	{"found", Event, [2]string{"find found", "找到 捡到"}},
	{"gift", Event, [2]string{"gift present gave got", "礼物 送 收到"}},
	{"cooked", Event, [2]string{"cook cooked made", "做 饭"}},
	{"met", Event, [2]string{"meet met", "见 遇到"}},
	{"argued_with", Event, [2]string{"argue argument fight", "吵架"}},
	{"party", Event, [2]string{"party celebration", "聚会 派对"}},
	{"promised", Event, [2]string{"promise promised remind", "答应 提醒"}},
}

// Predicates returns the table, which the caller must not change.
func Predicates() []Predicate { return predicates }

// Find returns a row.
func Find(name string) (Predicate, bool) {
	for _, p := range predicates {
		if p.Name == name {
			return p, true
		}
	}
	return Predicate{}, false
}
