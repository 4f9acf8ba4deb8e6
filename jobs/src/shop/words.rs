//! The shop's vocabulary in Chinese and English: groups, categories with their queries, styles, brands. All names of
//! brands are made up.

/// One word in both languages of the shop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub zh: &'static str,
    pub en: &'static str,
}

/// One shelf of a group, with what people type to find it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Category {
    /// The second half of the category's path.
    pub slug: &'static str,
    pub noun: Word,
    /// Cheapest and dearest, in whole CNY.
    pub price_low: u32,
    pub price_high: u32,
    pub queries: [Word; 4],
}

/// Everything that differs between the three groups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vocabulary {
    pub name: &'static str,
    pub prefix: &'static str,
    pub number_base: u64,
    pub number_step: u64,
    pub label: Word,
    pub categories: [Category; 6],
    /// What people of one taste look for, across categories: the latent structure that models can find.
    pub styles: [Word; 6],
    pub brands: [Word; 6],
}

const fn w(zh: &'static str, en: &'static str) -> Word {
    Word { zh, en }
}

const fn category(
    slug: &'static str,
    noun: Word,
    price_low: u32,
    price_high: u32,
    queries: [Word; 4],
) -> Category {
    Category { slug, noun, price_low, price_high, queries }
}

pub(crate) const GROUPS: [Vocabulary; 3] = [
    Vocabulary {
        name: "technology",
        prefix: "TECH",
        number_base: 1000,
        number_step: 5,
        label: w("数码", "technology"),
        categories: [
            category(
                "phone",
                w("手机", "phone"),
                899,
                8999,
                [
                    w("拍照好的手机", "phone with a good camera"),
                    w("2000元左右手机推荐", "phone under 300 dollars"),
                    w("大电池手机", "phone with long battery life"),
                    w("小屏手机", "small phone"),
                ],
            ),
            category(
                "laptop",
                w("笔记本电脑", "laptop"),
                2999,
                15999,
                [
                    w("轻薄笔记本", "thin and light laptop"),
                    w("游戏本 性价比", "gaming laptop"),
                    w("大学生笔记本电脑", "laptop for college"),
                    w("办公本 长续航", "laptop all day battery"),
                ],
            ),
            category(
                "headphones",
                w("耳机", "headphones"),
                59,
                2999,
                [
                    w("降噪耳机", "noise cancelling headphones"),
                    w("蓝牙耳机 运动", "bluetooth earbuds for running"),
                    w("头戴式耳机", "over ear headphones"),
                    w("学生党耳机", "cheap wireless earbuds"),
                ],
            ),
            category(
                "camera",
                w("相机", "camera"),
                1299,
                19999,
                [
                    w("微单相机入门", "mirrorless camera for beginners"),
                    w("vlog相机", "vlogging camera"),
                    w("旅行相机", "travel camera"),
                    w("二手单反值得买吗", "camera with flip screen"),
                ],
            ),
            category(
                "smartwatch",
                w("智能手表", "smartwatch"),
                199,
                3999,
                [
                    w("跑步手表", "gps running watch"),
                    w("能测血压的手表", "smartwatch with ecg"),
                    w("儿童电话手表", "kids smartwatch"),
                    w("长续航手表", "smartwatch long battery"),
                ],
            ),
            category(
                "tablet",
                w("平板电脑", "tablet"),
                799,
                7999,
                [
                    w("网课平板", "tablet for school"),
                    w("画画平板 带笔", "drawing tablet with pen"),
                    w("看剧平板", "tablet for movies"),
                    w("平板 性价比", "best budget tablet"),
                ],
            ),
        ],
        styles: [
            w("影像", "photography"),
            w("电竞", "gaming"),
            w("商务", "business"),
            w("学生", "student"),
            w("音乐", "music"),
            w("智能家居", "smart home"),
        ],
        brands: [
            w("云帆", "Cloudsail"),
            w("星野", "Starfield"),
            w("极曜", "Jiyao"),
            w("北芯", "Northcore"),
            w("青鸟", "Bluebird"),
            w("微澜", "Ripple"),
        ],
    },
    Vocabulary {
        name: "fashion",
        prefix: "FASH",
        number_base: 2000,
        number_step: 10,
        label: w("服饰", "fashion"),
        categories: [
            category(
                "dress",
                w("连衣裙", "dress"),
                89,
                1299,
                [
                    w("法式连衣裙", "french style dress"),
                    w("夏季碎花裙", "floral summer dress"),
                    w("显瘦连衣裙", "slimming dress"),
                    w("小黑裙", "little black dress"),
                ],
            ),
            category(
                "shirt",
                w("衬衫", "shirt"),
                59,
                899,
                [
                    w("纯棉白衬衫", "white cotton shirt"),
                    w("免烫衬衫男", "non iron shirt men"),
                    w("条纹衬衫", "striped shirt"),
                    w("oversize衬衫", "oversized shirt"),
                ],
            ),
            category(
                "jacket",
                w("外套", "jacket"),
                129,
                2999,
                [
                    w("春秋外套", "spring jacket"),
                    w("牛仔外套", "denim jacket"),
                    w("轻薄羽绒服", "light down jacket"),
                    w("短款小香风外套", "cropped tweed jacket"),
                ],
            ),
            category(
                "shoes",
                w("皮鞋", "leather shoes"),
                99,
                1999,
                [
                    w("乐福鞋", "loafers"),
                    w("舒适通勤鞋", "comfortable work shoes"),
                    w("马丁靴", "leather boots"),
                    w("宽脚皮鞋", "wide fit leather shoes"),
                ],
            ),
            category(
                "bag",
                w("包", "bag"),
                79,
                4999,
                [
                    w("通勤托特包", "tote bag for work"),
                    w("斜挎小包", "small crossbody bag"),
                    w("大容量双肩包", "large backpack"),
                    w("真皮包", "genuine leather bag"),
                ],
            ),
            category(
                "jeans",
                w("牛仔裤", "jeans"),
                79,
                999,
                [
                    w("高腰直筒牛仔裤", "high waisted straight jeans"),
                    w("阔腿裤", "wide leg jeans"),
                    w("弹力牛仔裤", "stretch jeans"),
                    w("复古水洗牛仔裤", "vintage wash jeans"),
                ],
            ),
        ],
        styles: [
            w("街头", "streetwear"),
            w("通勤", "office"),
            w("极简", "minimal"),
            w("复古", "vintage"),
            w("甜美", "romantic"),
            w("国风", "new chinese"),
        ],
        brands: [
            w("素白", "Subai"),
            w("拾光", "Shiguang"),
            w("木槿", "Hibiscus"),
            w("巷口", "Alley"),
            w("锦年", "Jinnian"),
            w("晚风", "Evenbreeze"),
        ],
    },
    Vocabulary {
        name: "sports",
        prefix: "SPRT",
        number_base: 3000,
        number_step: 15,
        label: w("运动", "sports"),
        categories: [
            category(
                "running-shoes",
                w("跑鞋", "running shoes"),
                159,
                1699,
                [
                    w("缓震跑鞋", "cushioned running shoes"),
                    w("马拉松跑鞋", "marathon shoes"),
                    w("大体重跑鞋", "running shoes for heavy runners"),
                    w("越野跑鞋", "trail running shoes"),
                ],
            ),
            category(
                "yoga",
                w("瑜伽垫", "yoga mat"),
                39,
                599,
                [
                    w("加厚瑜伽垫", "thick yoga mat"),
                    w("防滑瑜伽垫", "non slip yoga mat"),
                    w("天然橡胶垫", "natural rubber mat"),
                    w("瑜伽垫 初学者", "yoga mat for beginners"),
                ],
            ),
            category(
                "bicycle",
                w("自行车", "bicycle"),
                599,
                12999,
                [
                    w("公路车入门", "entry level road bike"),
                    w("折叠自行车", "folding bike"),
                    w("山地车 变速", "mountain bike"),
                    w("通勤自行车", "commuter bike"),
                ],
            ),
            category(
                "tent",
                w("帐篷", "tent"),
                129,
                3999,
                [
                    w("自动帐篷", "pop up tent"),
                    w("双人帐篷 轻量", "ultralight two person tent"),
                    w("露营天幕", "camping tarp"),
                    w("防暴雨帐篷", "waterproof tent"),
                ],
            ),
            category(
                "racket",
                w("羽毛球拍", "badminton racket"),
                79,
                1999,
                [
                    w("羽毛球拍 进攻型", "offensive badminton racket"),
                    w("新手羽毛球拍", "badminton racket for beginners"),
                    w("全碳素球拍", "full carbon racket"),
                    w("轻量球拍", "light badminton racket"),
                ],
            ),
            category(
                "dumbbell",
                w("哑铃", "dumbbell"),
                49,
                1599,
                [
                    w("可调节哑铃", "adjustable dumbbells"),
                    w("女士小哑铃", "small dumbbells for women"),
                    w("家用健身器材", "home gym equipment"),
                    w("包胶哑铃", "rubber coated dumbbell"),
                ],
            ),
        ],
        styles: [
            w("竞速", "racing"),
            w("户外", "outdoor"),
            w("健身房", "gym"),
            w("亲子", "family"),
            w("轻量", "ultralight"),
            w("入门", "beginner"),
        ],
        brands: [
            w("疾步", "Swiftstep"),
            w("山行", "Hillwalk"),
            w("奔流", "Torrent"),
            w("劲羽", "Jinyu"),
            w("野径", "Wildpath"),
            w("动域", "Motiva"),
        ],
    },
];

/// Opening posts; `{}` is the item's title.
pub(crate) const POSTS: [Word; 8] = [
    w("{}用了两周，说说真实感受：做工不错，值得买。", "Two weeks with the {}: well made, worth the money."),
    w("有人买过{}吗？和同价位的比怎么样？", "Has anyone bought the {}? How does it compare at this price?"),
    w("刚收到{}，开箱简单评测，比想象中好。", "Just got the {}, quick unboxing: better than I expected."),
    w(
        "{}打折了，要不要入手？预算有限，求建议。",
        "The {} is on sale. Should I go for it? My budget is tight.",
    ),
    w(
        "对{}有点失望，质量一般，客服倒是很耐心。",
        "A bit disappointed by the {}: so-so quality, though support was patient.",
    ),
    w("求推荐和{}搭配使用的东西。", "What goes well with the {}? Looking for suggestions."),
    w(
        "{}用了半年，依然好用，强烈推荐。",
        "Half a year with the {} and it still works great, highly recommended.",
    ),
    w(
        "{}的续航和细节怎么样？想送给家人。",
        "How are the details of the {}? I want it as a present for my family.",
    ),
];

/// Replies; `{}` is the item's title.
pub(crate) const REPLIES: [Word; 8] = [
    w("我也买了{}，同意楼主。", "I bought the {} too and agree."),
    w("{}性价比很高，放心买。", "The {} is great value, just buy it."),
    w("建议等活动再买{}，能便宜不少。", "Wait for the next sale, the {} gets a lot cheaper."),
    w("我的{}用了一个月就坏了，慎重。", "My {} broke after a month, be careful."),
    w("谢谢分享，已经把{}加购物车了。", "Thanks for sharing, the {} is in my cart now."),
    w("{}适合新手吗？", "Is the {} good for beginners?"),
    w("换过好几个牌子，还是{}最顺手。", "I tried several brands, the {} is still my favourite."),
    w(
        "收到的{}颜色和图片有点不一样，不过能接受。",
        "The colour of my {} differs a little from the picture, but it is fine.",
    ),
];
