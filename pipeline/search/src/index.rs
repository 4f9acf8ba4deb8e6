//! The words of all items in tantivy: what a document is, how it is replaced, and what a reader holds.

use std::sync::Arc;

use shoptide_models::catalogue::CatalogueItem;
use shoptide_models::find::ItemWords;
use shoptide_schemas::ItemId;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::schema::{Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term,
};

/// Words that wait in memory to become a segment: some 100,000 items. More would not find faster, as segments are merged.
const WRITER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Segments of one size that become one. A query asks each, so few are quicker; merging more often costs more.
const MERGED_SEGMENTS_MIN: usize = 4;
/// Share of items deleted (or replaced) from which a segment is written anew.
const DELETED_SHARE_MAX: f32 = 0.3;

pub(crate) const NUMBER: &str = "number";

/// The fields of a document. None is stored: the catalogue has the items themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// In the catalogue.
    pub number: Field,
    /// Keys of whole titles and of the id.
    pub key: Field,
    pub title: Field,
    pub about: Field,
    pub body: Field,
    /// Words as they are written, for their beginnings and for typing errors.
    pub form: Field,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    // Words come cut, and it matters only whether an item has one: no positions, frequencies or lengths are kept.
    let words = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    let words = TextOptions::default().set_indexing_options(words);
    let fields = Fields {
        number: schema.add_u64_field(NUMBER, NumericOptions::default().set_indexed().set_fast()),
        key: schema.add_u64_field("key", NumericOptions::default().set_indexed()),
        title: schema.add_text_field("title", words.clone()),
        about: schema.add_text_field("about", words.clone()),
        body: schema.add_text_field("body", words.clone()),
        form: schema.add_text_field("form", words),
    };
    (schema.build(), fields)
}

/// The writing side. One thread owns it.
pub(crate) struct Writer {
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
}

impl Writer {
    /// An empty index.
    pub fn new() -> tantivy::Result<Self> {
        let (schema, fields) = schema();
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let index = Index::builder().schema(schema).settings(settings).create_in_ram()?;
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_BYTES_MAX)
            .build();
        let writer: IndexWriter = index.writer_with_options(options)?;
        let mut merges = LogMergePolicy::default();
        merges.set_min_num_segments(MERGED_SEGMENTS_MIN);
        merges.set_del_docs_ratio_before_merge(DELETED_SHARE_MAX);
        writer.set_merge_policy(Box::new(merges));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { fields, writer, reader })
    }

    /// Replaces what is known of an item by its words of now; of one that was removed, or that only events have
    /// named, there are none.
    /// - `known`: whether it may be in the index already
    pub fn put(
        &mut self,
        number: u32,
        id: &ItemId,
        item: &CatalogueItem,
        known: bool,
    ) -> tantivy::Result<()> {
        if known {
            self.writer.delete_term(Term::from_field_u64(self.fields.number, u64::from(number)));
        }
        if item.removed || item.unlisted {
            return Ok(());
        }
        let words = ItemWords::of(id.as_bytes(), item);
        let mut document = TantivyDocument::new();
        document.add_u64(self.fields.number, u64::from(number));
        for key in words.keys {
            document.add_u64(self.fields.key, key);
        }
        let Fields { title, about, body, form, .. } = self.fields;
        for (field, words) in
            [(title, words.title), (about, words.about), (body, words.body), (form, words.forms)]
        {
            for word in words {
                document.add_text(field, word);
            }
        }
        self.writer.add_document(document)?;
        Ok(())
    }

    /// Makes what was put visible to the views taken from now on.
    pub fn commit(&mut self) -> tantivy::Result<Words> {
        self.writer.commit()?;
        self.words()
    }

    /// The segments of now: as after the last commit, but with what was merged since.
    pub fn words(&self) -> tantivy::Result<Words> {
        self.reader.reload()?;
        Ok(Words { fields: self.fields, searcher: Arc::new(self.reader.searcher()) })
    }
}

/// The reading side: the segments of one moment.
#[derive(Clone)]
pub(crate) struct Words {
    pub fields: Fields,
    pub searcher: Arc<Searcher>,
}

impl Words {
    pub fn items(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// Bytes of all segments; 0 if they cannot be counted.
    pub fn bytes(&self) -> u64 {
        self.searcher.space_usage().map_or(0, |usage| usage.total().get_bytes())
    }

    /// Whether these are the segments of `other`.
    pub fn same(&self, other: &Words) -> bool {
        self.searcher.generation().segments() == other.searcher.generation().segments()
    }
}
